"""Brings one tracker what it has to know: a thread of its own, best effort, never in the training's way."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from visionft_trainer.tracking.delivered import Delivered
from visionft_trainer.tracking.tracker import Point, TrackedRun, Tracker

INTERVAL_SECONDS = 2.0  # between two deliveries
FIRST_BACKOFF_SECONDS = 2.0
LONGEST_BACKOFF_SECONDS = 60.0
LAST_WORD_SECONDS = 30.0  # how long a complete run waits for a tracker
INTERRUPTED_SECONDS = 5.0  # and one that was interrupted, whose pod has little time
CLOSING_PAUSE_SECONDS = 0.2  # between two tries then
MAX_WAITING = 100_000  # points kept for a tracker that cannot be reached; then the oldest go

NOTICE_SECONDS = 5.0  # of waiting at the end, after which the log says so

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ending:
    """What a complete run leaves for its trackers."""

    curve: Sequence[Point]
    """All of it, as far as the run's result keeps it."""
    figures: Mapping[str, float]
    tags: Mapping[str, str]
    files: Sequence[Path]


class Worker:
    """Keeps the points of one tracker until they are delivered, and tries again, later and later, when that fails."""

    def __init__(self, tracker: Tracker, run: TrackedRun, delivered: Delivered) -> None:
        """`delivered` knows what the tracker has, and hears of what it gets."""
        self._tracker = tracker
        self._run = run
        self._delivered = delivered
        self._waiting: deque[Point] = deque(maxlen=MAX_WAITING)
        self._condition = threading.Condition()
        self._closing = False
        self._ending: Ending | None = None
        self._begun = False
        self._closed = False
        self._deadline = 0.0
        self._warned = False
        self._thread = threading.Thread(target=self._work, name=f"tracking-{tracker.name}", daemon=True)
        self._thread.start()

    def add(self, point: Point) -> None:
        """Take a point; returns at once."""
        with self._condition:
            self._waiting.append(point)

    def end(self, ending: Ending | None) -> None:
        """Deliver what waits, then the run's end, which is None where the run is not complete; returns at once."""
        patience = LAST_WORD_SECONDS if ending is not None else INTERRUPTED_SECONDS
        with self._condition:
            self._closing, self._ending = True, ending
            self._deadline = time.monotonic() + patience
            self._condition.notify()

    def join(self) -> None:
        """Wait for what `end` has asked for, within bounds."""
        self._thread.join(NOTICE_SECONDS)
        left = self._deadline - time.monotonic()
        if not self._closed and left > 0:
            log.info("spec.tracking.%s: waiting %.0f s at most until it has everything", self._tracker.name, left)
        self._thread.join(self._deadline + 1 - time.monotonic())
        if not self._closed:
            log.warning(
                "spec.tracking.%s: not everything was delivered; the run's folder has it all, and running the same "
                "manifest again delivers the rest",
                self._tracker.name,
            )

    def _work(self) -> None:
        backoff = 0.0
        while True:
            with self._condition:
                closing = self._condition.wait_for(lambda: self._closing, backoff or INTERVAL_SECONDS)
            try:
                self._deliver()
                if closing:
                    self._end()
                    return
                backoff = 0.0
            except Exception as error:  # whatever a tracker does, the training goes on
                backoff = min(max(2 * backoff, FIRST_BACKOFF_SECONDS), LONGEST_BACKOFF_SECONDS)
                self._warn(error)
                if closing and time.monotonic() > self._deadline:
                    return
            if closing:
                time.sleep(CLOSING_PAUSE_SECONDS)

    def _deliver(self) -> None:
        if not self._begun:
            self._tracker.begin(self._run)
            self._begun = True
        with self._condition:
            points = list(self._waiting)
        if not points:
            return
        self._tracker.write(points)
        with self._condition:
            for point in points:
                if self._waiting and self._waiting[0] is point:  # not where the oldest had to go meanwhile
                    self._waiting.popleft()
        self._delivered.note(self._tracker.name, points[0].step, points[-1].step)

    def _end(self) -> None:
        if self._ending is not None:
            self._fill_gaps(self._ending.curve)
            self._tracker.conclude(self._ending.figures, self._ending.tags, self._ending.files)
        self._tracker.close(finished=self._ending is not None)
        if self._ending is not None:
            self._delivered.note_end(self._tracker.name)
        self._closed = True

    def _fill_gaps(self, curve: Sequence[Point]) -> None:
        """Steps that a pod before this one could not deliver."""
        known = self._delivered.of(self._tracker.name)
        missing = [point for point in curve if not known.has(point.step)]
        if missing:
            self._tracker.write(missing)
            for point in missing:
                self._delivered.note(self._tracker.name, point.step, point.step)

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            log.warning(
                "spec.tracking.%s: nothing could be delivered (%s: %s). The run goes on; it is tried again.",
                self._tracker.name,
                type(error).__name__,
                str(error).split("\n")[0][:300],
            )
