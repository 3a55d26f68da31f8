"""What every destination has in common: how it is asked, how long it is waited for, and how its refusals are told."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from visionft_api.status import Artifact as Published

from visionft_trainer.artifacts import provenance, sums
from visionft_trainer.artifacts.artifact import Artifact
from visionft_trainer.errors import StorageFailedError
from visionft_trainer.servers import patience as servers
from visionft_trainer.servers.patience import Patience, Sleep

T = TypeVar("T")
Tick = Callable[[int, int], None]
"""Bytes that are there, of so many."""


class Destination(Protocol):
    """A place that artifacts are brought to. Each raises `StorageFailedError`, which names field, place and mend."""

    def check(self) -> None:
        """Find out before the training what would keep the artifacts from going there."""

    def put(self, artifacts: Sequence[Artifact], tick: Tick) -> list[Published]:
        """Bring them there, each whole or not at all. What is there already from an earlier try is not sent again."""


def persevere(
    attempt: Callable[[], T],
    what: str,
    patience: Patience,
    sleep: Sleep = time.sleep,
    gained: Callable[[], int] | None = lambda: 0,
) -> T:
    """As `servers.patience.persevere`. Raises `StorageFailedError` where it gives up."""
    try:
        return servers.persevere(attempt, what, patience, sleep, gained)
    except servers.GaveUpError as error:
        raise StorageFailedError(
            f"{what} could not be written ({error}). Check that the server is up and can be reached from here. "
            "The next try sends what is missing; with spec.output.pvc it trains nothing again."
        ) from error


def in_order(folder: Path) -> list[tuple[str, str]]:
    """Every file of an artifact with its sha256, in the order of uploading: what says that it is whole comes last."""
    listed = sums.parse((folder / sums.FILE).read_bytes())
    data = sorted(name for name in listed if name != provenance.FILE)
    last = sums.digest_of(folder).partition(":")[2]
    return [*((name, listed[name]) for name in data), (provenance.FILE, listed[provenance.FILE]), (sums.FILE, last)]
