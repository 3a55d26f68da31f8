"""Stage 7: what ships. The adapter, and the whole model with the adapter merged in, each with its digest.

A quantised base is brought back to 16 or 32 bits before merging, and the adapter is merged into that: these are the
very weights that the adapter learnt to correct. Merging into the original checkpoint would change the model.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from visionft_trainer.errors import writing_to
from visionft_trainer.families import Family, find_family
from visionft_trainer.storage import atomic
from visionft_trainer.storage.digest import folder_digest, folder_size

ADAPTER_WEIGHTS = "adapter_model.safetensors"  # PEFT's name


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
        _name_for_peft(draft, find_family(model.get_base_model().config.to_dict()))
    return _artifact("adapter", target)


def write_merged(model: Any, processor: Any, target: Path) -> Artifact:
    """Save a merged model with its processor, for a plain `from_pretrained`. Raises `StorageFailedError`."""
    # Fast tokenizers keep how they last padded in what they save; the artifact must not depend on that.
    backend = processor.tokenizer.backend_tokenizer
    backend.no_padding()
    backend.no_truncation()
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


def settle(tuned: Any) -> Any:
    """A model that was trained in full, in the precision it is shipped in and in eval mode."""
    for parameter in tuned.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(tuned.config.dtype)
    return tuned.requires_grad_(False).eval()


def _name_for_peft(folder: Path, family: Family | None) -> None:
    """Call the adapter's weights what `PeftModel.from_pretrained` will look for."""
    from safetensors.torch import load_file, save_file

    weights = folder / ADAPTER_WEIGHTS
    if family is None or not weights.is_file():
        return
    tensors = load_file(weights)
    named = {family.adapter_key(name): tensor for name, tensor in tensors.items()}
    if named.keys() != tensors.keys():
        save_file(named, weights, metadata={"format": "pt"})


def dequantize(model: Any) -> Any:
    """Replace each quantised layer by a plain one with the same weights in the model's own precision, in place."""
    from bitsandbytes.nn.modules import Linear4bit, Linear8bitLt

    if not getattr(model, "is_quantized", False):
        return model
    for name, layer in list(model.named_modules()):
        if isinstance(layer, Linear4bit | Linear8bitLt):
            model.set_submodule(name, _plain_linear(layer, model.dtype))
    model.is_loaded_in_4bit = False
    model.is_loaded_in_8bit = False
    model.is_quantized = False
    model.hf_quantizer = None
    del model.config.quantization_config
    return model


def _plain_linear(layer: Any, dtype: torch.dtype) -> nn.Linear:
    plain = nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None, device="meta")
    plain.weight = nn.Parameter(_weight_of(layer).to(dtype), requires_grad=False)
    if layer.bias is not None:
        plain.bias = nn.Parameter(layer.bias.data.to(dtype), requires_grad=False)
    return plain


def _weight_of(layer: Any) -> Any:
    from bitsandbytes.functional import dequantize_4bit, int8_vectorwise_dequant
    from bitsandbytes.nn.modules import Linear4bit

    weight: Any = layer.weight
    if isinstance(layer, Linear4bit):
        return dequantize_4bit(weight.data, weight.quant_state)
    # The scales move from the weight to the layer's state at the first forward pass.
    scales = weight.SCB if layer.state.SCB is None else layer.state.SCB
    return int8_vectorwise_dequant(weight.data, scales)


def _artifact(kind: Literal["adapter", "merged"], folder: Path) -> Artifact:
    return Artifact(kind, folder, folder_digest(folder), folder_size(folder))
