"""Files and folders that are either there wholly or not at all, also after a power cut."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNFINISHED_PREFIX = ".writing-"  # a folder that was not finished; swept away by the next run


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder to fill that takes the name `target`, replacing what is there, when the block ends well."""
    draft = target.with_name(UNFINISHED_PREFIX + target.name)
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        yield draft
        sync_tree(draft)
        if target.exists():
            shutil.rmtree(target)
        draft.rename(target)
        sync_folder(target.parent)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def write_text(target: Path, text: str) -> None:
    """Replace the file `target` by one with `text`."""
    draft = target.with_name(UNFINISHED_PREFIX + target.name)
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(target)
    sync_folder(target.parent)


def sync_tree(folder: Path) -> None:
    """Bring every file and folder below `folder` to the disk."""
    for path in folder.rglob("*"):
        sync_folder(path)
    sync_folder(folder)


def sync_folder(path: Path) -> None:
    """Bring one file's content, or one folder's list of names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(folder: Path) -> None:
    """Remove what interrupted writers left in `folder`."""
    for path in folder.glob(UNFINISHED_PREFIX + "*"):
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
