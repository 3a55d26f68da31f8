"""Opening files that somebody else put there: never a wait, never a device."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

NOT_PLAIN = "is a broken link, or no plain file but a pipe, socket or device"


class NotAFileError(OSError):
    """What lies there is a folder, pipe, socket or device."""


def open_plain(path: Path) -> BinaryIO:
    """Open a plain file to read its bytes, links followed. A pipe would wait for its writer, so it is not opened.

    Raises:
        NotAFileError: it is no plain file.
        OSError: it is missing or cannot be read.
    """
    _check(path, path.stat())  # before opening: to open a device can already do something
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        _check(path, os.fstat(descriptor))  # again: what lies there may have been replaced
    except OSError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def read_bytes(path: Path) -> bytes:
    """All of a plain file. Raises as `open_plain`."""
    with open_plain(path) as file:
        return file.read()


def read_text(path: Path) -> str:
    """All of a plain file of UTF-8. Raises as `open_plain`, or `UnicodeDecodeError`."""
    return read_bytes(path).decode("utf-8")


def first_odd(folder: Path) -> Path | None:
    """The first entry directly in `folder`, links followed, that is neither a plain file nor a folder."""
    return next((path for path in sorted(folder.iterdir()) if not path.is_file() and not path.is_dir()), None)


def _check(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise NotAFileError(errno.EINVAL, "not a plain file", str(path))
