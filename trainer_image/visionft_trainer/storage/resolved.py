"""What names in the manifest turned out to be when the run began: a later pod goes on with the same."""

from __future__ import annotations

from pydantic import ValidationError
from visionft_api.status import Resolved

from visionft_trainer.errors import writing_to
from visionft_trainer.storage import atomic
from visionft_trainer.storage.folder import RunFolder
from visionft_trainer.storage.plain_files import read_bytes


def read_resolved(place: RunFolder) -> Resolved | None:
    """What an earlier pod of this run began with."""
    try:
        return Resolved.model_validate_json(read_bytes(place.resolved))
    except (OSError, ValidationError):
        return None


def write_resolved(place: RunFolder, resolved: Resolved) -> None:
    """Keep it for the pods to come. Raises `StorageFailedError`."""
    with writing_to(place.resolved):
        atomic.write_text(place.resolved, resolved.model_dump_json(by_alias=True, exclude_none=True) + "\n")
