"""Where rows come from. Whatever the source, its data ends as files on this machine."""

from __future__ import annotations

from pathlib import Path

from visionft_api.spec import DataSource

from visionft_trainer.settings import Settings
from visionft_trainer.sources import config_map, http, hub, pvc, s3
from visionft_trainer.sources.local import LocalData
from visionft_trainer.sources.revisions import Revisions

__all__ = ["LocalData", "fetch"]


def fetch(source: DataSource, settings: Settings, field: str, scratch: Path, revisions: Revisions) -> LocalData:
    """Bring the data that `source` names to this machine; what is downloaded goes to the folder `scratch`.

    `field` is `spec.dataset.train` or `spec.dataset.validation`.

    Raises:
        BadConfigError: the place is wrong.
        BadDatasetError: nothing is there, or it is not what it should be.
        StorageFailedError: the disk is too small for a download.
        RunError: it cannot be reached now, which another try may mend.
    """
    split = field.rpartition(".")[2]
    if source.pvc is not None:
        return pvc.fetch(source.pvc, settings, f"{field}.pvc")
    if source.config_map is not None:
        return config_map.fetch(source.config_map, settings, f"{field}.configMap")
    if source.http is not None:
        return http.fetch(source.http, settings, split, f"{field}.http", scratch)
    if source.s3 is not None:
        return s3.fetch(source.s3, settings, split, f"{field}.s3", scratch)
    assert source.hub is not None  # exactly one is set
    return hub.fetch(source.hub, settings, split, f"{field}.hub", scratch, revisions)
