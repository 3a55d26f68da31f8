"""Stage 7: what ships. The adapter, and the whole model with the adapter merged in, each with its digest.

A 4-bit base is brought back to 16 or 32 bits before merging, and the adapter is merged into that: these are the very
weights that the adapter learnt to correct. Merging into the original checkpoint would change the model.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from visionft_trainer import atomic
from visionft_trainer.digest import folder_digest, folder_size
from visionft_trainer.errors import writing_to


@dataclass(frozen=True)
class Artifact:
    """A folder that the run leaves."""

    kind: Literal["adapter", "merged"]
    folder: Path
    digest: str
    size: int
    """Bytes."""


def write_adapter(model: Any, target: Path) -> Artifact:
    """Save the LoRA weights of a PEFT model, for `PeftModel.from_pretrained`. Raises `StorageFailedError`."""
    with writing_to(target), atomic.new_folder(target) as draft:
        model.save_pretrained(draft, save_embedding_layers=False)
        (draft / "README.md").unlink(missing_ok=True)  # PEFT's model card has nothing of this run in it
    return _artifact("adapter", target)


def write_merged(model: Any, processor: Any, target: Path) -> Artifact:
    """Save a merged model with its processor, for a plain `from_pretrained`. Raises `StorageFailedError`."""
    with writing_to(target), atomic.new_folder(target) as draft:
        model.save_pretrained(draft)
        processor.save_pretrained(draft)
    return _artifact("merged", target)


def remove(artifact: Artifact) -> None:
    """Take back an artifact that was only a step on the way. Raises `StorageFailedError`."""
    with writing_to(artifact.folder):
        shutil.rmtree(artifact.folder)


def merge(tuned: Any, adapter: Path) -> Any:
    """The whole model with the adapter stored at `adapter` merged in, in eval mode.

    `tuned` is the PEFT model that was trained; it is taken apart on the way.
    """
    from peft import PeftModel

    base = dequantize(tuned.unload())
    merged = PeftModel.from_pretrained(base, adapter).merge_and_unload(safe_merge=True)
    return merged.requires_grad_(False).eval()


def dequantize(model: Any) -> Any:
    """Replace each 4-bit layer by a plain one with the same weights in the model's own precision, in place."""
    from bitsandbytes.nn.modules import Linear4bit

    if not getattr(model, "is_loaded_in_4bit", False):
        return model
    for name, layer in list(model.named_modules()):
        if isinstance(layer, Linear4bit):
            model.set_submodule(name, _plain_linear(layer, model.dtype))
    model.is_loaded_in_4bit = False
    model.is_quantized = False
    model.hf_quantizer = None
    del model.config.quantization_config
    return model


def _plain_linear(layer: Any, dtype: torch.dtype) -> nn.Linear:
    from bitsandbytes.functional import dequantize_4bit

    weight = dequantize_4bit(layer.weight.data, layer.weight.quant_state).to(dtype)
    plain = nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None, device="meta")
    plain.weight = nn.Parameter(weight, requires_grad=False)
    if layer.bias is not None:
        plain.bias = nn.Parameter(layer.bias.data.to(dtype), requires_grad=False)
    return plain


def _artifact(kind: Literal["adapter", "merged"], folder: Path) -> Artifact:
    return Artifact(kind, folder, folder_digest(folder), folder_size(folder))
