"""SIGTERM and Ctrl-C: training ends at a step's end with a checkpoint, everything else at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from visionft_trainer.errors import Interrupted


class Stop:
    """Whether the run was asked to end."""

    def __init__(self) -> None:
        self._signal: int | None = None
        self._patient = False

    def install(self) -> None:
        """Take SIGTERM and SIGINT over; for the main thread of the program."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handle)

    def ignore(self) -> None:
        """From now on signals do nothing: the process is about to end anyway."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)

    def requested(self) -> bool:
        """Whether a signal has come."""
        return self._signal is not None

    @contextmanager
    def at_step_end(self) -> Iterator[None]:
        """Inside, a first signal only sets `requested`; a second Ctrl-C still ends the run at once."""
        self._patient = True
        try:
            yield
        finally:
            self._patient = False

    def interruption(self) -> Interrupted:
        """The error that ends the run; its exit code is the shell's for the signal, 143 for SIGTERM."""
        number = signal.Signals(self._signal or signal.SIGTERM)
        return Interrupted(f"stopped by {number.name}", 128 + number)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        first = self._signal is None
        if first:
            self._signal = number
        if not self._patient or (number == signal.SIGINT and not first):
            raise self.interruption()
