"""Where rows come from: a claim. Whatever the source, its data ends as files on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from visionft_api.spec import DataSource

from visionft_trainer.containers.base import unreadable
from visionft_trainer.errors import BadConfigError, BadDatasetError
from visionft_trainer.settings import Settings
from visionft_trainer.sources import places

DATA_FILE = "data.jsonl"  # inside a folder that the manifest names


@dataclass(frozen=True)
class LocalData:
    """Data on this machine."""

    place: Path
    """The file or folder that holds the rows."""
    folder: Path
    """Paths of pictures are relative to it, and no picture lies outside it."""


def fetch(source: DataSource, settings: Settings, field: str) -> LocalData:
    """Bring the data that `source` names to this machine. Raises `BadConfigError` or `BadDatasetError`."""
    if source.pvc is None:
        raise BadConfigError(f"{field}: only a pvc source can be read by this version; put the data on a claim.")
    path = places.in_claim(settings, source.pvc.claim_name, source.pvc.path, f"{field}.pvc.path")
    try:
        if path.is_dir():
            path = path / DATA_FILE
        found = path.is_file()
    except OSError as error:
        raise unreadable(path, error) from error
    if not found:
        raise BadDatasetError(
            f"{field}.pvc.path: {source.pvc.path!r} holds no data on the claim {source.pvc.claim_name!r}: "
            f"name a JSONL file, or a folder with {DATA_FILE} in it."
        )
    return LocalData(path, path.parent)
