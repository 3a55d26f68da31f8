"""A merged model in a folder, as an artifact has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from visionft_trainer.artifacts import companions, merged

SHARD_BYTES = 5 * 2**30


def write_merged(model: Any, processor: Any, folder: Path, shard_bytes: int = SHARD_BYTES) -> Path:
    """The weights and what they are of no use without."""
    merged.write(model, folder, shard_bytes)
    companions.write(processor, model, folder)
    return folder
