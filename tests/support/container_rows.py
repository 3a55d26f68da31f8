"""Reading containers, for tests."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

from PIL import Image
from visionft_trainer.data import containers
from visionft_trainer.data.images import ImageRules, read_bytes
from visionft_trainer.data.rows import BadRowError, Picture


def png(shade: int = 0) -> bytes:
    """A picture of a few bytes."""
    stream = io.BytesIO()
    Image.new("L", (2, 2), shade).save(stream, "PNG")
    return stream.getvalue()


def rows(place: Path, root: Path | None = None) -> list[Any]:
    """The values of all rows; pictures as their bytes, bad rows as their words."""
    folder = root or (place if place.is_dir() else place.parent)
    return [_plain(record.value, folder) for record in containers.read(place, folder)]


def wheres(place: Path, root: Path | None = None) -> list[str]:
    """Where the rows are."""
    folder = root or (place if place.is_dir() else place.parent)
    return [str(record.where) for record in containers.read(place, folder)]


def write_tar(path: Path, members: list[tuple[str, bytes]], mode: str = "w") -> Path:
    """A tar of plain files."""
    with tarfile.open(path, mode) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def _plain(value: Any, folder: Path) -> Any:
    match value:
        case Picture():
            return read_bytes(value, ImageRules(folder, 2**20))
        case BadRowError():
            return str(value)
        case dict():
            return {key: _plain(item, folder) for key, item in value.items()}
        case list():
            return [_plain(item, folder) for item in value]
    return value
