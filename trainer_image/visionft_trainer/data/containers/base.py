"""What all containers share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visionft_trainer.data.rows import BadRowError, Where
from visionft_trainer.errors import BadDatasetError

MAX_ROW_BYTES = 64 * 2**20  # one row, pictures inside it included
MAX_ROW = f"{MAX_ROW_BYTES // 2**20} MiB"
TOO_LONG = f"is longer than {MAX_ROW}: put the images into files beside the data file"


@dataclass(frozen=True)
class Record:
    """One row of a container, before its shape is looked at."""

    where: Where
    value: Any
    """JSON-like: objects, lists, strings, numbers, and `Picture` where the container holds an image.

    A `BadRowError` where the row itself cannot be read; the rows after it can.
    """


Reader = Callable[[Path, Path], Iterator[Record]]
"""Called with a file and the folder that it is named relative to; yields the rows in their order, holding few of them
in memory. Raises `BadDatasetError` where the file as a whole cannot be read."""


def unreadable(file: Path, error: OSError) -> BadDatasetError:
    """The error for a file that cannot be opened or read."""
    return BadDatasetError(f"{file} cannot be read ({error}). Check the file and that user 10001 may read it.")


def attempt(parse: Callable[[], Any]) -> Any:
    """The parsed value, or the `BadRowError` that it raised."""
    try:
        return parse()
    except BadRowError as error:
        return error
