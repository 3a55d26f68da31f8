"""A folder for what a run needs on disk only while it runs: rows, token ids, downloaded archives."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PREFIX = "visionft-"


@dataclass(frozen=True)
class Scratch:
    """The folder."""

    folder: Path

    def file(self, name: str) -> Path:
        """Where something called `name` is kept."""
        return self.folder / name


@contextmanager
def scratch_folder() -> Iterator[Scratch]:
    """A new folder below `TMPDIR` (/tmp in the pod), removed at the end."""
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        yield Scratch(Path(folder))
