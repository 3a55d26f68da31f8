"""Print the manifest of one measured run: `python manifest.py NAME --vision true --batch 4 --quantization nf4`."""

import argparse

TEMPLATE = """\
apiVersion: visionft.dev/v1alpha1
kind: VisionFineTune
metadata: {{name: {name}, namespace: bench}}
spec:
  model: {{uri: "pvc://bench/model", quantization: {quantization}}}
  dataset:
    train: {{pvc: {{claimName: bench, path: pages/train.jsonl}}}}
    limits: {{maxTokens: 4096}}
  adapter: {{rank: 16, alpha: 32, vision: {vision}, projector: {vision}, language: true}}
  training: {{maxSteps: {steps}, batchSize: {batch}, learningRate: "1e-4", checkpoints: {{every: 100000}}}}
  output: {{pvc: {{claimName: bench, path: out}}, merged: false}}
  resources: {{gpus: 1}}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--vision", choices=("true", "false"), default="true")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--quantization", choices=("nf4", "none"), default="nf4")
    print(TEMPLATE.format(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
