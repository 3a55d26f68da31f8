"""What all downloads share: patience with servers, room on the disk, several files at a time."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TypeVar

from visionft_trainer.data.values import show
from visionft_trainer.errors import RunError, StorageFailedError
from visionft_trainer.servers import patience
from visionft_trainer.servers.patience import READING, GaveUpError, PassingError, Sleep

PIECE_BYTES = 2**20
PARALLEL_FILES = 8
QUEUED_FILES = 4 * PARALLEL_FILES  # names waiting for a thread
SPARE_BYTES = 64 * 2**20  # left free on the disk for the run itself

T = TypeVar("T")


def persevere(attempt: Callable[[], None], done: Callable[[], int], what: str, sleep: Sleep = time.sleep) -> None:
    """Repeat `attempt` while it passes; `done` gives the bytes that are there.

    Raises:
        RunError: `what` could not be fetched, which another try of the run may mend.
    """
    try:
        patience.persevere(attempt, what, READING, sleep, done)
    except GaveUpError as error:
        raise RunError(
            f"{what} could not be fetched ({error}). Check that the server is up and can be reached from here."
        ) from error


def retried(
    action: Callable[[], T], what: str, sleep: Sleep = time.sleep, gained: Callable[[], int] | None = None
) -> T:
    """The result of `action`, which is tried again while it raises `RunError` itself: what another try may mend."""
    passing: RunError | None = None

    def attempt() -> T:
        nonlocal passing
        try:
            return action()
        except RunError as error:
            if type(error) is not RunError:
                raise
            passing = error
            raise PassingError(str(error)) from error

    try:
        return patience.persevere(attempt, what, READING, sleep, gained)
    except GaveUpError:
        assert passing is not None
        raise passing from None


@contextmanager
def filling(folder: Path, field: str) -> Iterator[None]:
    """Turn a disk that is full into `StorageFailedError`; `field` of the manifest names what is fetched."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise _no_room(folder, field, str(error)) from error


def need_room(folder: Path, size: int, field: str) -> None:
    """Raise `StorageFailedError` when the `size` bytes of what `field` names do not fit on the disk of `folder`."""
    free = shutil.disk_usage(folder).free - SPARE_BYTES
    if size > free:
        raise _no_room(folder, field, f"{size:,} bytes are needed and {max(free, 0):,} are free")


def _no_room(folder: Path, field: str, why: str) -> StorageFailedError:
    return StorageFailedError(
        f"{field}: {folder} cannot hold it ({why}). Make the pod's ephemeral storage larger, point TMPDIR (for a model "
        "HF_HOME) to a larger disk, or copy it to a claim and name that."
    )


def inside(folder: Path, name: str, field: str, error: type[RunError]) -> Path:
    """Where the file called `name` by somebody else goes below `folder`. Raises `error` for one that leads out."""
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\0" in name or "\\" in name:
        raise error(f"{field}: the name {show(name)} leads out of its folder; rename that file.")
    return folder / path


def in_parallel(action: Callable[[T], None], items: Sequence[T]) -> None:
    """`action` for each item, several at a time; the first error ends it."""
    with ThreadPoolExecutor(PARALLEL_FILES) as pool:
        waiting = set()
        try:
            for item in items:
                waiting.add(pool.submit(action, item))
                if len(waiting) >= QUEUED_FILES:
                    finished, waiting = wait(waiting, return_when="FIRST_COMPLETED")
                    for future in finished:
                        future.result()
            finished, _ = wait(waiting, return_when=FIRST_EXCEPTION)
            for future in finished:
                future.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
