"""What every destination has in common: how it is asked, how long it is waited for, and how its refusals are told."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from visionft_api.status import Artifact as Published

from visionft_trainer.artifacts import provenance, sums
from visionft_trainer.artifacts.artifact import Artifact
from visionft_trainer.errors import StorageFailedError

ATTEMPTS = 8  # in a row without anything gained: the pauses are two minutes, the tries come on top
FIRST_PAUSE_SECONDS = 1.0  # doubled after each attempt
LONGEST_PAUSE_SECONDS = 60.0
PASSING = {408, 425, 429}  # HTTP refusals that another try may not meet, as all of 5xx

T = TypeVar("T")
Tick = Callable[[int, int], None]
"""Bytes that are there, of so many."""
Sleep = Callable[[float], None]


class Destination(Protocol):
    """A place that artifacts are brought to. Each raises `StorageFailedError`, which names field, place and mend."""

    def check(self) -> None:
        """Find out before the training what would keep the artifacts from going there."""

    def put(self, artifacts: Sequence[Artifact], tick: Tick) -> list[Published]:
        """Bring them there, each whole or not at all. What is there already from an earlier try is not sent again."""


class InterruptedUploadError(Exception):
    """An upload that stopped on the way; another try may go on from there."""


def persevere(
    attempt: Callable[[], T], what: str, sleep: Sleep = time.sleep, gained: Callable[[], int] = lambda: 0
) -> T:
    """The result of `attempt`, which is repeated while it is interrupted.

    Gives up after `ATTEMPTS` in which `gained` (bytes) did not grow. Raises `StorageFailedError`.
    """
    failures = 0
    while True:
        before = gained()
        try:
            return attempt()
        except InterruptedUploadError as error:
            failures = 1 if gained() > before else failures + 1
            if failures == ATTEMPTS:
                raise StorageFailedError(
                    f"{what} could not be written ({error}). Check that the server is up and can be reached from here. "
                    "The next try sends what is missing; with spec.output.pvc it trains nothing again."
                ) from error
            pause = min(FIRST_PAUSE_SECONDS * 2 ** (failures - 1), LONGEST_PAUSE_SECONDS)
            sleep(pause * random.uniform(0.75, 1.25))  # noqa: S311 - so that many pods do not come at once


def in_order(folder: Path) -> list[tuple[str, str]]:
    """Every file of an artifact with its sha256, in the order of uploading: what says that it is whole comes last."""
    listed = sums.parse((folder / sums.FILE).read_bytes())
    data = sorted(name for name in listed if name != provenance.FILE)
    last = sums.digest_of(folder).partition(":")[2]
    return [*((name, listed[name]) for name in data), (provenance.FILE, listed[provenance.FILE]), (sums.FILE, last)]
