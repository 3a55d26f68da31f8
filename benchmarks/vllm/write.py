"""What `artifacts/` writes for a model of Qwen2.5-VL-7B's shape: `python write.py FOLDER`. See README.md.

The base's tensors are a single number each, spread out to their shapes, so that 7 billion of them need no memory. All
else is what a run does: PEFT around the model, the adapter written, the adapter taken off, the merged model written in
files of `maxShardSize`. Of the merged files only names, shapes and types are kept, in FOLDER/merged/tensors.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
import transformers.modeling_utils
from transformers import AutoConfig, AutoProcessor, Qwen2_5_VLForConditionalGeneration
from visionft_api.quantities import parse_size
from visionft_trainer.artifacts import adapter, companions, merged
from visionft_trainer.families import find_family
from visionft_trainer.model import adapt

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from support.tiny_spec import tiny_spec

ROOT = Path(__file__).parents[2]
SHAPE = "qwen2.5-vl-7b"
SHARD = "5Gi"


def empty_model(shape: Path) -> Any:
    """The model with its real shapes, and next to nothing in memory."""
    with torch.device("meta"):
        model = Qwen2_5_VLForConditionalGeneration(AutoConfig.from_pretrained(shape)).to(torch.bfloat16)
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            spread = torch.zeros(1, dtype=parameter.dtype).expand(parameter.shape)
            module.register_parameter(name, torch.nn.Parameter(spread, requires_grad=False))
        for name, buffer in list(module.named_buffers(recurse=False)):
            module.register_buffer(name, torch.zeros(buffer.shape, dtype=buffer.dtype), persistent=False)
    return model.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    (folder / "merged").mkdir(parents=True)
    (folder / "adapter").mkdir()
    with tempfile.TemporaryDirectory() as place:
        shape = Path(place) / "shape"
        program = ROOT / "benchmarks" / "gpu" / "shapes.py"
        subprocess.run([sys.executable, program, SHAPE, shape, "--no-weights"], check=True)
        spec = tiny_spec(
            Path(place),
            model={"quantization": "none"},
            adapter={"rank": 16, "layers": {"language": ["attention", "mlp"], "vision": ["attention", "mlp"]}},
        )
        model = empty_model(shape)
        family = find_family(model.config.to_dict())
        assert family is not None
        tuned = adapt.adapt(model, spec, family, "Qwen/Qwen2.5-VL-7B-Instruct")
        processor = AutoProcessor.from_pretrained(shape)
        adapter.write(tuned, folder / "adapter")
        recorded: dict[str, Any] = {}

        def record(tensors: dict[str, torch.Tensor], file: str, metadata: Any = None) -> None:
            for name, tensor in tensors.items():
                recorded[name] = {"shape": list(tensor.shape), "dtype": str(tensor.dtype)}

        transformers.modeling_utils.safe_save_file = record
        contiguous, torch.Tensor.contiguous = torch.Tensor.contiguous, lambda tensor, *_, **__: tensor
        merged.write(tuned.unload(), folder / "merged", parse_size(SHARD))
        torch.Tensor.contiguous = contiguous
        companions.write(processor, model, folder / "merged")
        (folder / "merged" / "tensors.json").write_text(json.dumps(recorded, indent=1) + "\n")
        print(f"{len(recorded)} tensors")


if __name__ == "__main__":
    main()
