"""What a source ends as: files on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from visionft_trainer.data import containers


@dataclass(frozen=True)
class LocalData:
    """Data on this machine."""

    place: Path
    """The file or folder that holds the rows, or the common name of its shards."""
    folder: Path
    """Paths of pictures are relative to it, and no picture lies outside it."""
    files: Sequence[Path] | None = None
    """The data files, where they are not all that `place` holds."""


def at(place: Path) -> LocalData | None:
    """The data at `place`; None when nothing is there. Raises `BadDatasetError`."""
    if not containers.exists(place):
        return None
    return LocalData(place, place if place.is_dir() else place.parent)
