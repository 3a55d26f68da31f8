"""What a person sees: a progress bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

from visionft_api.status import Stage

from visionft_trainer.reporting.progress import Listener, Snapshot

LINE_SECONDS = 5.0  # between two lines of a log
STAGE_WORDS = {
    Stage.INGEST: "reading rows and images",
    Stage.PREPROCESS: "preparing rows",
    Stage.LOAD: "loading the base model",
    Stage.BASELINE: "measuring the base model",
    Stage.ADAPT: "adding the adapter",
    Stage.TRAIN: "training",
    Stage.EVALUATE: "measuring the tuned model",
    Stage.EXPORT: "writing artifacts",
    Stage.REPORT: "writing the result",
}


def open_console(*, quiet: bool, stream: TextIO | None = None) -> Listener:
    """The listener that fits `stream` (standard error)."""
    stream = stream or sys.stderr
    if quiet:
        return Silence()
    return Bar(stream) if stream.isatty() else Lines(stream)


class Silence:
    """For `--quiet`."""

    def show(self, snapshot: Snapshot) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Lines:
    """One line at each change of stage and at a resumption, and one every `LINE_SECONDS` in between."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._said: tuple[str, int | None] | None = None
        self._next = 0.0

    def show(self, snapshot: Snapshot) -> None:
        """Print when it is time to."""
        now = self._clock()
        news = (snapshot.stage, snapshot.resumed_after)
        if snapshot.finished or (news == self._said and now < self._next):
            return
        self._said = news
        self._next = now + LINE_SECONDS
        self._stream.write(f"{snapshot.percent:3d}%  {describe(snapshot)}\n")
        self._stream.flush()

    def close(self) -> None:
        """Nothing is open."""


class Bar:
    """A bar over the whole run, with the stage and the training's figures beside it."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=Console(file=stream),
        )
        self._task = self._bar.add_task(STAGE_WORDS[Stage.INGEST], total=100)
        self._bar.start()

    def show(self, snapshot: Snapshot) -> None:
        """Move the bar; rich redraws it ten times a second."""
        self._bar.update(self._task, completed=snapshot.percent, description=describe(snapshot))

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._bar.stop()


def describe(snapshot: Snapshot) -> str:
    """`training: step 40/600, loss 0.4312, 12 s left`."""
    words = STAGE_WORDS[snapshot.stage]
    if snapshot.stage == Stage.TRAIN and snapshot.step is not None and snapshot.step == snapshot.resumed_after:
        return f"{words}: resumes after step {snapshot.step}/{snapshot.total_steps}, from its checkpoint"
    if snapshot.stage == Stage.TRAIN and snapshot.step is not None:
        figures = [f"step {snapshot.step}/{snapshot.total_steps}"]
        if snapshot.loss is not None:
            figures.append(f"loss {snapshot.loss:.4f}")
        if snapshot.validation_loss is not None:
            figures.append(f"validation loss {snapshot.validation_loss:.4f}")
        if snapshot.eta_seconds is not None:
            figures.append(f"{_duration(snapshot.eta_seconds)} left")
        return f"{words}: {', '.join(figures)}"
    if snapshot.total:
        return f"{words}: {snapshot.done}/{snapshot.total}"
    return f"{words}: {snapshot.done}" if snapshot.done else words


def _duration(seconds: int) -> str:
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"
