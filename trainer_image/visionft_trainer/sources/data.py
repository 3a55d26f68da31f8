"""Where rows come from. Whatever the source, its data ends as files on this machine."""

from __future__ import annotations

from pathlib import Path

from visionft_api.spec import DataSource

from visionft_trainer.errors import BadConfigError
from visionft_trainer.settings import Settings
from visionft_trainer.sources import pvc
from visionft_trainer.sources.local import LocalData
from visionft_trainer.sources.revisions import Revisions

__all__ = ["LocalData", "fetch"]


def fetch(source: DataSource, settings: Settings, field: str, scratch: Path, revisions: Revisions) -> LocalData:
    """Bring the data that `source` names to this machine; what is downloaded goes to the folder `scratch`.

    Raises:
        BadConfigError: the place is wrong.
        BadDatasetError: nothing is there, or it is not what it should be.
        RunError: it cannot be reached now, which another try may mend.
    """
    if source.pvc is not None:
        return pvc.fetch(source.pvc, settings, f"{field}.pvc")
    raise BadConfigError(f"{field}: only a pvc source can be read by this version; put the data on a claim.")
