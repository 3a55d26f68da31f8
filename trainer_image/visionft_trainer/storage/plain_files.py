"""Opening files that somebody else put there: never a wait, never a device."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


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


def _check(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise NotAFileError(errno.EINVAL, "not a plain file", str(path))
