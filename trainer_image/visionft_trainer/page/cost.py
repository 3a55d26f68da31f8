"""What a run takes: the time in each stage, over all the processes that worked on it, and the GPU's memory."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError
from visionft_api.status import Stage

from visionft_trainer.page.model import Attempt, Cost
from visionft_trainer.reporting.progress import Snapshot
from visionft_trainer.storage import atomic
from visionft_trainer.storage.plain_files import read_bytes

SAVE_SECONDS = 10.0  # of a process that is killed, so much is not counted
SECONDS_OF_AN_HOUR = 3600

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Device:
    """What a run computes on."""

    name: str
    gpus: int
    """Used at once; 0 on a CPU."""


class Clock:
    """Listens to a run's progress and keeps what it took in a file, so that the next process of the run adds to it."""

    def __init__(self, file: Path, device: Callable[[], Device], clock: Callable[[], float] = time.monotonic) -> None:
        """`device` is asked when the training begins."""
        self._file = file
        self._device = device
        self._clock = clock
        self._before = read_cost(file)
        self._attempt = Attempt(start_time=datetime.now(UTC))
        self._stage: Stage | None = None
        self._since = self._saved = clock()
        self._gpu_memory = self._before.gpu_memory

    def show(self, snapshot: Snapshot) -> None:
        """Count the time since the last word to the stage that it was in."""
        now = self._clock()
        changed = snapshot.stage != self._stage or snapshot.finished
        if self._stage is not None and self._stage != Stage.REPORT:  # the page cannot know how long it took to write
            spent = self._attempt.seconds.get(self._stage, 0.0) + now - self._since
            self._attempt = self._attempt.model_copy(
                update={"seconds": self._attempt.seconds | {self._stage: round(spent, 3)}}
            )
        if snapshot.stage == Stage.TRAIN and self._stage != Stage.TRAIN:
            device = self._device()
            self._before = self._before.model_copy(update={"device": device.name, "gpus": device.gpus})
        self._stage, self._since = snapshot.stage, now
        self._note_steps(snapshot)
        if changed or now - self._saved >= SAVE_SECONDS:
            self._saved = now
            self._save()

    def close(self) -> None:
        """The run is over."""
        self._save()

    def cost(self) -> Cost:
        """What the run took so far."""
        return self._before.model_copy(
            update={"attempts": [*self._before.attempts, self._attempt], "gpu_memory": self._gpu_memory}
        )

    def _note_steps(self, snapshot: Snapshot) -> None:
        if snapshot.step is None:
            return
        update: dict[str, object] = {"last_step": snapshot.step}
        if snapshot.resumed_after is not None:
            update["first_step"] = snapshot.resumed_after
        if snapshot.epoch is not None:
            update["last_epoch"] = snapshot.epoch
            if not self._attempt.last_epoch and snapshot.resumed_after and snapshot.step > snapshot.resumed_after:
                # Epochs grow evenly with the steps.
                update["first_epoch"] = snapshot.epoch * snapshot.resumed_after / snapshot.step
        self._attempt = self._attempt.model_copy(update=update)
        if snapshot.gpu_memory is not None:
            self._gpu_memory = max(snapshot.gpu_memory, self._gpu_memory or 0)

    def _save(self) -> None:
        """In one piece. A loss of it is no reason to end a training."""
        if not self._attempt.seconds:  # nothing was done, as where the run was complete already
            return
        try:
            draft = self._file.with_name(f"{atomic.UNFINISHED_PREFIX}{self._file.name}")
            draft.write_text(to_text(self.cost()))
            draft.replace(self._file)
        except OSError as error:
            log.warning("%s cannot be written (%s): the report will say less of what the run took", self._file, error)


def read_cost(file: Path) -> Cost:
    """What `file` says; nothing where it is missing or broken."""
    try:
        return Cost.model_validate_json(read_bytes(file))
    except (OSError, ValidationError):
        return Cost()


def to_text(cost: Cost) -> str:
    """What `read_cost` reads."""
    return cost.model_dump_json(by_alias=True, exclude_none=True, indent=2) + "\n"


def of_run(cost: Cost, run: int) -> Cost:
    """What `run` took, told in a later run that has taken it over."""
    attempts = [each if each.run else each.model_copy(update={"run": run}) for each in cost.attempts]
    return cost.model_copy(update={"attempts": attempts})


def seconds_by_stage(cost: Cost) -> dict[Stage, float]:
    """Seconds in each stage over all attempts, in the stages' order."""
    return {
        stage: sum(attempt.seconds.get(stage, 0.0) for attempt in cost.attempts)
        for stage in Stage
        if any(stage in attempt.seconds for attempt in cost.attempts)
    }


def total_seconds(cost: Cost) -> float:
    """Seconds over all stages and attempts."""
    return sum(seconds_by_stage(cost).values())


def gpu_hours(cost: Cost) -> float:
    """GPUs times hours; 0 on a CPU."""
    return cost.gpus * total_seconds(cost) / SECONDS_OF_AN_HOUR


def rows_met(cost: Cost, rows: int) -> int:
    """How many of `rows` training has met: not all of them where it ends within the first epoch."""
    reached = max((attempt.last_epoch for attempt in cost.attempts), default=0.0)
    return round(reached * rows) if 0 < reached < 1 else rows


def samples_per_second(cost: Cost, rows: int) -> float | None:
    """Training samples a second over the whole stage of training, what is measured on the way included."""
    epochs = sum(attempt.last_epoch - attempt.first_epoch for attempt in cost.attempts)
    seconds = seconds_by_stage(cost).get(Stage.TRAIN, 0.0)
    return epochs * rows / seconds if seconds and epochs else None
