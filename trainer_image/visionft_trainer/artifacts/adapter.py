"""The adapter on its own, as plain PEFT loads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from visionft_trainer.errors import writing_to
from visionft_trainer.families import Family, find_family

WEIGHTS = "adapter_model.safetensors"  # PEFT's name; it reads one file only, so an adapter has no shards


def write(model: Any, folder: Path) -> Path:
    """Save the LoRA weights of a PEFT model, for `PeftModel.from_pretrained`. Raises `StorageFailedError`."""
    with writing_to(folder):
        model.save_pretrained(folder, save_embedding_layers=False)
        (folder / "README.md").unlink(missing_ok=True)  # PEFT's model card has nothing of this run in it
        _name_for_peft(folder, find_family(model.get_base_model().config.to_dict()))
    return folder


def _name_for_peft(folder: Path, family: Family | None) -> None:
    """Call the adapter's weights what `PeftModel.from_pretrained` will look for."""
    from safetensors.torch import load_file, save_file

    weights = folder / WEIGHTS
    if family is None or not weights.is_file():
        return
    tensors = load_file(weights)
    named = {family.adapter_key(name): tensor for name, tensor in tensors.items()}
    if named.keys() != tensors.keys():
        save_file(named, weights, metadata={"format": "pt"})
