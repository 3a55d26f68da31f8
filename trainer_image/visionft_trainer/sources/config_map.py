"""Rows in a ConfigMap, which the pod has as a folder of files."""

from __future__ import annotations

from visionft_api.spec.dataset import ConfigMapSource

from visionft_trainer.errors import BadConfigError, BadDatasetError
from visionft_trainer.settings import Settings
from visionft_trainer.sources.local import LocalData


def fetch(source: ConfigMapSource, settings: Settings, field: str) -> LocalData:
    """The key's file where it lies. Raises `BadConfigError` or `BadDatasetError`."""
    folder = settings.config_map_root / source.name
    if not folder.is_dir():
        raise BadConfigError(
            f"{field}.name: the ConfigMap {source.name!r} is not mounted here ({folder} is not a folder). On a "
            "workstation copy its keys into such a folder and set VISIONFT_CONFIGMAP_ROOT to the folder above it."
        )
    file = folder / source.key
    if not file.is_file():
        keys = ", ".join(sorted(path.name for path in folder.iterdir() if not path.name.startswith("..")))
        raise BadDatasetError(
            f"{field}.key: the ConfigMap {source.name!r} has no key {source.key!r}; it has {keys or 'none'}."
        )
    return LocalData(file, folder)
