"""A folder that leaves the trainer: weights and all that is needed to use them, or the page; where they come from.

<kind>/
    ...               the weights, their configuration, processor, tokenizer and chat template, README.md
    provenance.json   what it was made from (`provenance`)
    SHA256SUMS        a line for each other file, written last: `sha256sum -c SHA256SUMS` checks them all

The digest of SHA256SUMS is the artifact's: it says all that is in the folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from visionft_trainer.artifacts import provenance, sums
from visionft_trainer.errors import writing_to
from visionft_trainer.storage import atomic
from visionft_trainer.storage.digest import folder_size

FILE_MODE, FOLDER_MODE = 0o644, 0o755
Kind = Literal["adapter", "merged", "report"]
Fill = Callable[[Path], object]
"""Puts files into a folder that exists."""


@dataclass(frozen=True)
class Artifact:
    """The folder of one."""

    kind: Kind
    folder: Path
    digest: str
    """`sha256:...` of its SHA256SUMS."""
    size: int
    """Bytes of all its files."""

    def digests(self) -> dict[str, str]:
        """sha256 in hexadecimal of each of its files, by path."""
        return sums.parse((self.folder / sums.FILE).read_bytes())


def write(kind: Kind, target: Path, fills: Sequence[Fill], origin: provenance.Origin) -> Artifact:
    """Make the folder `target`, whole or not at all. Raises `StorageFailedError`."""
    with writing_to(target), atomic.new_folder(target) as draft:
        for fill in fills:
            fill(draft)
        _close(draft, origin)
    return read(kind, target)


def seal(kind: Kind, folder: Path, origin: provenance.Origin) -> Artifact:
    """Make an artifact of a folder that is there already, such as the page. Raises `StorageFailedError`."""
    with writing_to(folder):
        for name in (sums.FILE, provenance.FILE):
            (folder / name).unlink(missing_ok=True)
        _close(folder, origin)
    return read(kind, folder)


def _close(folder: Path, origin: provenance.Origin) -> None:
    digests = sums.of_folder(folder)
    statement = provenance.to_json(provenance.statement(digests, origin))
    (folder / provenance.FILE).write_text(statement, encoding="utf-8")
    sums.write(folder, digests | sums.of_file(folder, provenance.FILE))
    for path in folder.rglob("*"):
        # safetensors' own files may be read by their owner only, who is the pod's user and nobody else.
        path.chmod(FOLDER_MODE if path.is_dir() else FILE_MODE)


def read(kind: Kind, folder: Path) -> Artifact:
    """An artifact that was written."""
    return Artifact(kind, folder, sums.digest_of(folder), folder_size(folder))


def stored(folders: Mapping[Kind, Path]) -> list[Artifact]:
    """Those of `folders` that a run has written."""
    return [read(kind, folder) for kind, folder in folders.items() if (folder / sums.FILE).is_file()]
