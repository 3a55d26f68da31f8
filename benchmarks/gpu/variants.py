"""Short trainings of the demo on GPUs, one for each way to train: does it run, and does the loss fall?

    python variants.py DIGITS --out FILE [NAME ...]

DIGITS is a folder with the demo's model and rows (see run.sh). Each variant is a manifest that is run by
`visionft-trainer run`; recorded are its exit code, the losses of all steps, and what it said of memory.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import time
from pathlib import Path
from typing import Any

from visionft_trainer import cli

STEPS = 40
SAMPLES = 16  # of a step, in each variant
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "nf4, adamw": {},
    "int8, adamw": {"model": {"quantization": "int8"}},
    "none, adamw": {"model": {"quantization": "none"}},
    "nf4, adamw8bit": {"training": {"optimizer": "adamw8bit"}},
    "nf4, pagedAdamw": {"training": {"optimizer": "pagedAdamw"}},
    "nf4, pagedAdamw8bit": {"training": {"optimizer": "pagedAdamw8bit"}},
    "none, full": {
        "model": {"quantization": "none"},
        "adapter": {"method": "full"},
        "training": {"learningRate": "5e-4", "visionLearningRate": "5e-4"},
        "output": {"merged": True, "adapter": False},
    },
    "nf4, batchSize auto": {"training": {"batchSize": "auto", "effectiveBatchSize": SAMPLES}},
    "2 GPUs": {"training": {"batchSize": SAMPLES // 2}, "resources": {"gpus": 2}},
    "none, 1 GPU": {"model": {"quantization": "none"}},
    "none, 2 GPUs, fsdp": {
        "model": {"quantization": "none"},
        "training": {"batchSize": SAMPLES // 2, "sharding": "fsdp"},
        "resources": {"gpus": 2},
    },
}


def manifest(changes: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The demo's training, shorter, with `changes` in the sections of the spec."""
    spec: dict[str, Any] = {
        "model": {"uri": "pvc://digits/model", "quantization": "nf4"},
        "dataset": {"train": {"pvc": {"claimName": "digits", "path": "train.jsonl"}}},
        "adapter": {"rank": 16},
        "training": {
            "maxSteps": STEPS,
            "batchSize": SAMPLES,
            "learningRate": "5e-3",
            "visionLearningRate": "5e-3",
            "warmupRatio": "0.1",
        },
        "output": {"pvc": {"claimName": "digits", "path": "variant"}, "merged": False},
        "resources": {"gpus": 1},
    }
    for section, values in changes.items():
        spec[section] |= values
    return {"apiVersion": "visionft.dev/v1alpha1", "kind": "VisionFineTune", "metadata": {"name": "v"}, "spec": spec}


def run(name: str, digits: Path) -> dict[str, Any]:
    """One variant's record."""
    out = digits / "variant"
    shutil.rmtree(out, ignore_errors=True)
    file = digits / "variant.json"
    file.write_text(json.dumps(manifest(VARIANTS[name])), encoding="utf-8")
    begun = time.perf_counter()
    code = cli.main(["run", str(file), "--pvc", f"digits={digits}", "--quiet"])
    result = out / "run-1" / "result.json"
    curve = json.loads(result.read_text(encoding="utf-8"))["curve"] if result.is_file() else []
    losses = [point["loss"] for point in curve]
    record = {
        "variant": name,
        "exit_code": code,
        "seconds": round(time.perf_counter() - begun, 1),
        "first_five": statistics.mean(losses[:5]) if losses else None,
        "last_five": statistics.mean(losses[-5:]) if losses else None,
        "losses": losses,
    }
    print({key: value for key, value in record.items() if key != "losses"}, flush=True)
    return record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("digits", type=Path)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(VARIANTS)}; absent: all with one GPU")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    names = options.names or [name for name in VARIANTS if "GPU" not in name]
    records = [run(name, options.digits) for name in names]
    options.out.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
