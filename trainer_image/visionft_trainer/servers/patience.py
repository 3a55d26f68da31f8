"""How long another machine is waited for, and what the log says meanwhile."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import httpx2

CONNECT_SECONDS = 10.0
NOTICE_SECONDS = 10.0  # without an answer, after which the log says what is waited for
PASSING = {408, 425, 429}  # HTTP refusals that another try may not meet, as all of 5xx
SPREAD = 0.25  # of a pause, so that many pods do not come at once

T = TypeVar("T")
Sleep = Callable[[float], None]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Patience:
    """How often something is tried in a row without anything gained, and how long it may be silent."""

    attempts: int
    first_pause: float
    """Seconds after the first try; doubled after each."""
    longest_pause: float
    silence: float
    """Seconds."""

    @property
    def longest(self) -> float:
        """Seconds after which a server that never answers is given up."""
        pauses = sum(self.pause(failures) for failures in range(1, self.attempts))
        return self.attempts * max(self.silence, CONNECT_SECONDS) + pauses

    def pause(self, failures: int) -> float:
        """Seconds after so many failures in a row."""
        return float(min(self.first_pause * 2 ** (failures - 1), self.longest_pause))

    def timeout(self) -> httpx2.Timeout:
        """Of one request."""
        import httpx2

        return httpx2.Timeout(self.silence, connect=CONNECT_SECONDS)


READING = Patience(attempts=5, first_pause=0.5, longest_pause=60, silence=30)
ASKING = Patience(attempts=4, first_pause=1, longest_pause=60, silence=15)
"""Whether a place may be written, before a training is paid for."""
WRITING = Patience(attempts=8, first_pause=1, longest_pause=60, silence=60)
"""What a training has made: the longest, for it is not to be lost."""


class PassingError(Exception):
    """What another try may mend."""


class GaveUpError(Exception):
    """It was tried as often as the patience allows; the text says what came of it and how often."""


def persevere(
    attempt: Callable[[], T],
    what: str,
    patience: Patience,
    sleep: Sleep = time.sleep,
    gained: Callable[[], int] | None = lambda: 0,
) -> T:
    """The result of `attempt`, which is repeated while it raises `PassingError`.

    `gained` gives the bytes that are there; a try that adds some counts as the first. None where that is not known of
    something that may take long, so that nothing is said of it while it lasts.

    Raises:
        GaveUpError: `patience.attempts` have failed in a row. Its cause is the last `PassingError`.
    """
    failures, begun = 0, time.monotonic()
    while True:
        before = gained() if gained else 0
        try:
            with noticing(f"{what}: no answer yet, try {failures + 1} of {patience.attempts}", gained):
                return attempt()
        except PassingError as error:
            failures = 1 if gained and gained() > before else failures + 1
            if failures == patience.attempts:
                took = time.monotonic() - begun
                raise GaveUpError(f"{error}; given up after {failures} tries in {took:.0f} s") from error
            pause = patience.pause(failures) * random.uniform(1 - SPREAD, 1 + SPREAD)  # noqa: S311
            log.info(
                "%s: try %d of %d failed (%s); again in %.0f s, given up after %.0f s at the latest",
                *(what, failures, patience.attempts, error, pause, patience.longest),
            )
            sleep(pause)


@contextmanager
def noticing(message: str, gained: Callable[[], int] | None = lambda: 0) -> Iterator[None]:
    """Say `message` where the block takes long and nothing was gained."""
    if gained is None:
        yield
        return
    before = gained()

    def notice() -> None:
        if gained() == before:
            log.info("%s", message)

    timer = threading.Timer(NOTICE_SECONDS, notice)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
