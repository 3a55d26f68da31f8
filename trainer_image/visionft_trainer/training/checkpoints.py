"""Checkpoints that are written whole, checked before they are trusted, and kept by count."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from visionft_trainer.storage import atomic, digest
from visionft_trainer.storage.plain_files import read_text

MANIFEST = "SHA256SUMS"  # in each checkpoint; `sha256sum --check SHA256SUMS` verifies it
CHECKPOINT, BEST = "checkpoint", "best"  # whole states to resume from; weights alone, of the best step so far
_NAME = re.compile(rf"{CHECKPOINT}-(\d+)")

log = logging.getLogger(__name__)


def folder_of(folder: Path, step: int) -> Path:
    """Where the checkpoint of `step` lies."""
    return folder / f"{CHECKPOINT}-{step}"


def best_of(folder: Path, step: int) -> Path:
    """Where the weights of `step` lie when they were the best."""
    return folder / f"{BEST}-{step}"


@contextmanager
def writing(folder: Path, step: int, kind: str = CHECKPOINT) -> Iterator[Path]:
    """A draft folder that becomes the checkpoint of `step`, with a manifest of its files, when the block ends well."""
    with atomic.new_folder(folder / f"{kind}-{step}") as draft:
        yield draft
        (draft / MANIFEST).write_text(digest.manifest(draft), encoding="utf-8")


def newest_valid(folder: Path) -> Path | None:
    """The latest checkpoint whose files are all as they were written; torn ones are passed over with a warning."""
    for step in sorted(steps(folder), reverse=True):
        candidate = folder_of(folder, step)
        problem = defect(candidate)
        if problem is None:
            return candidate
        log.warning("checkpoint %s is passed over: %s", candidate.name, problem)
    return None


def defect(checkpoint: Path) -> str | None:
    """What is wrong with a checkpoint, or None."""
    try:
        expected = read_text(checkpoint / MANIFEST)
    except (OSError, UnicodeDecodeError):
        return f"it has no {MANIFEST}"
    lines = expected.splitlines()
    if not lines:
        return f"its {MANIFEST} is empty"
    for line in lines:
        known, _, name = line.partition("  ")
        path = checkpoint / name
        if not path.is_file():
            return f"{name} is missing"
        if digest.file_digest(path) != known:
            return f"{name} is not as it was written"
    return None


def steps(folder: Path) -> list[int]:
    """Steps that have a checkpoint, torn ones included."""
    if not folder.is_dir():
        return []
    return [int(match[1]) for path in folder.iterdir() if (match := _NAME.fullmatch(path.name)) and path.is_dir()]


def keep_newest(folder: Path, count: int) -> None:
    """Remove all but the `count` latest checkpoints."""
    for step in sorted(steps(folder), reverse=True)[count:]:
        shutil.rmtree(folder_of(folder, step), ignore_errors=True)


def keep_best(folder: Path, step: int | None) -> None:
    """Remove the weights of all but the best step. To be called when a checkpoint that knows of it is written."""
    for path in folder.glob(f"{BEST}-*"):
        if step is not None and path != best_of(folder, step):
            shutil.rmtree(path, ignore_errors=True)
