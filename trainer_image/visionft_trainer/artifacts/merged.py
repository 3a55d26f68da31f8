"""The whole model with the adapter merged in, as plain transformers loads it.

A quantised base is brought back to 16 or 32 bits before merging, and the adapter is merged into that: these are the
very weights that the adapter learnt to correct. `original` merges into those of the checkpoint, which are others.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from visionft_trainer.artifacts.companions import keep_generation_sound
from visionft_trainer.artifacts.dequantise import dequantise
from visionft_trainer.errors import writing_to


def merge(tuned: Any, adapter: Path) -> Any:
    """The whole model with the adapter stored at `adapter` merged in, in eval mode.

    `tuned` is the PEFT model that was trained; it is taken apart on the way.
    """
    return merge_into(dequantise(tuned.unload()), adapter)


def merge_into(base: Any, adapter: Path) -> Any:
    """`base`, which is not quantised, with the adapter stored at `adapter` merged in, in eval mode."""
    from peft import PeftModel

    merged = PeftModel.from_pretrained(base, adapter).merge_and_unload(safe_merge=True)
    return merged.requires_grad_(False).eval()


def settle(tuned: Any) -> Any:
    """A model that was trained in full, in the precision it is shipped in and in eval mode."""
    for parameter in tuned.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(tuned.config.dtype)
    return tuned.requires_grad_(False).eval()


def write(model: Any, folder: Path, shard_bytes: int) -> Path:
    """Save a merged model in safetensors files of at most `shard_bytes`. Raises `StorageFailedError`."""
    if getattr(model, "generation_config", None) is not None:
        keep_generation_sound(model)
    with writing_to(folder):
        model.save_pretrained(folder, max_shard_size=shard_bytes)
    return folder
