"""What can go wrong, as a person should hear it: each error is one sentence or a few, with the mend in it.

An error carries the exit code that the operator reads: see `visionft_api.exit_codes`.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from visionft_api.exit_codes import ExitCode

# OSError numbers that mean "the place cannot be written", as opposed to a mistake of ours.
STORAGE_ERRNOS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE, errno.EFBIG}
)
# safetensors and torch.save wrap the operating system's error and keep only its words.
STORAGE_PHRASES = (
    "no space left",
    "read-only file system",
    "permission denied",
    "disk quota exceeded",
    "input/output error",
    "file too large",
    "pytorchstreamwriter failed",
    "unexpected pos",  # what torch.save says after a short write
)


class RunError(Exception):
    """Ends the run with `exit_code`; its text is shown to the user without a traceback."""

    exit_code = ExitCode.TRAINER_ERROR


class BadConfigError(RunError):
    """The manifest asks for something that cannot be done."""

    exit_code = ExitCode.BAD_CONFIG


class BadDatasetError(RunError):
    """Rows or images that cannot be used; names file, row, field and mend."""

    exit_code = ExitCode.BAD_DATASET


class BadModelError(RunError):
    """The base model is missing, broken, or of a family that is not supported."""

    exit_code = ExitCode.BAD_MODEL


class StorageFailedError(RunError):
    """The output cannot be written: full, read-only or gone."""

    exit_code = ExitCode.STORAGE_FAILED


class Interrupted(BaseException):
    """SIGTERM or Ctrl-C. Not an `Exception`, so that no library's `except Exception` swallows it."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def is_storage_error(error: BaseException) -> bool:
    """Whether `error` says that a file could not be written (rather than that our code is wrong)."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in STORAGE_ERRNOS
    return any(phrase in str(error).lower() for phrase in STORAGE_PHRASES)


@contextmanager
def writing_to(place: Path) -> Iterator[None]:
    """Turn a failure to write below `place` into `StorageFailedError`; every other error passes unchanged."""
    try:
        yield
    except RunError:
        raise
    except Exception as error:
        if not is_storage_error(error):
            raise
        raise StorageFailedError(
            f"{place} cannot be written ({error}{_free_at(place)}). Free space on the output volume or make it "
            "larger, and check that it is mounted read-write for user 10001; the run then goes on from its last "
            "checkpoint."
        ) from error


def _free_at(place: Path) -> str:
    """What a library's own error does not say."""
    try:
        return f"; {shutil.disk_usage(place).free:,} bytes are free there"
    except OSError:
        return ""
