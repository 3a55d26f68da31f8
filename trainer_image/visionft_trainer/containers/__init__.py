"""Containers: from a file or folder to its rows, one at a time.

A container is one module with one `Reader`, entered in `READERS` under the endings of its files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from visionft_trainer.containers.base import Reader, Record
from visionft_trainer.containers.json_lines import read_json_lines

READERS: Mapping[str, Reader] = {".jsonl": read_json_lines}

__all__ = ["READERS", "Record", "read"]


def read(place: Path, root: Path) -> Iterator[Record]:
    """All rows of the data at `place`, which lies below `root`. Raises `BadDatasetError`."""
    yield from READERS.get(place.suffix, read_json_lines)(place, root)
