"""What a run is doing right now, for whoever listens: the console, the operator."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from visionft_api.status import Artifact, DataSummary, Estimate, Evaluation, Resolved, Stage

# Percent of the whole run at which each stage starts; training is nearly all of it.
STAGE_STARTS: Mapping[Stage, int] = {
    Stage.INGEST: 0,
    Stage.PREPROCESS: 1,
    Stage.LOAD: 3,
    Stage.BASELINE: 5,
    Stage.ADAPT: 9,
    Stage.TRAIN: 10,
    Stage.EVALUATE: 90,
    Stage.EXPORT: 97,
    Stage.REPORT: 99,
}
RATE_WINDOW_STEPS = 20  # speed and time left are those of the last steps

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """One moment of a run."""

    stage: Stage = Stage.INGEST
    done: int = 0
    """Of `total`, within the stage: rows, answers or steps."""
    total: int | None = None
    resumed_after: int | None = None
    """The step whose checkpoint this training goes on from."""
    step: int | None = None
    total_steps: int | None = None
    epoch: float | None = None
    loss: float | None = None
    validation_loss: float | None = None
    learning_rate: float | None = None
    samples_per_second: float | None = None
    eta_seconds: int | None = None
    """Seconds to the end of training."""
    gpu_memory: int | None = None
    """Highest use so far, in bytes."""
    evaluation: Evaluation | None = None
    artifacts: tuple[Artifact, ...] = ()
    resolved: Resolved | None = None
    data: DataSummary | None = None
    estimate: Estimate | None = None
    notes: tuple[str, ...] = ()
    """What a person should know of how the run went, a sentence or a few each."""
    finished: bool = False

    @property
    def percent(self) -> int:
        """Of the whole run; never falls while stages go forward."""
        if self.finished:
            return 100
        stages: Sequence[Stage] = list(STAGE_STARTS)
        start = STAGE_STARTS[self.stage]
        after = stages.index(self.stage) + 1
        end = STAGE_STARTS[stages[after]] if after < len(stages) else 100
        share = min(self.done / self.total, 1.0) if self.total else 0.0
        return start + int((end - start) * share)


class Listener(Protocol):
    """Takes every snapshot; must be quick and must not fail."""

    def show(self, snapshot: Snapshot) -> None:
        """Called in the training thread."""

    def close(self) -> None:
        """The run is over, well or not."""


class Progress:
    """Keeps the current snapshot and hands each change to the listeners."""

    def __init__(self, listeners: Sequence[Listener] = (), clock: Callable[[], float] = time.monotonic) -> None:
        self._listeners = list(listeners)
        self._clock = clock
        self._recent: deque[tuple[float, int]] = deque(maxlen=RATE_WINDOW_STEPS)
        self.snapshot = Snapshot()

    def listen(self, listener: Listener) -> None:
        """A further listener, for what follows."""
        self._listeners.append(listener)

    def close(self) -> None:
        """The run is over, well or not; every listener hears of it."""
        for listener in self._listeners:
            listener.close()

    def enter(self, stage: Stage) -> None:
        """A stage begins."""
        self._recent.clear()
        self._change(stage=stage, done=0, total=None, eta_seconds=None, samples_per_second=None)

    def tick(self, done: int, total: int | None = None) -> None:
        """`done` of `total` rows or answers of the current stage."""
        self._change(done=done, total=total)

    def resume(self, step: int, total_steps: int) -> None:
        """Training goes on from the checkpoint of `step`."""
        self._change(done=step, total=total_steps, resumed_after=step, step=step, total_steps=total_steps)

    def trained(
        self,
        step: int,
        total_steps: int,
        *,
        epoch: float,
        loss: float,
        learning_rate: float,
        batch: float,
        gpu_memory: int | None,
    ) -> None:
        """One optimiser step of `batch` samples is done."""
        self._recent.append((self._clock(), step))
        (first_time, first_step), (last_time, last_step) = self._recent[0], self._recent[-1]
        speed = (last_step - first_step) / (last_time - first_time) if last_time > first_time else None
        self._change(
            done=step,
            total=total_steps,
            step=step,
            total_steps=total_steps,
            epoch=epoch,
            loss=loss,
            learning_rate=learning_rate,
            samples_per_second=speed * batch if speed else None,
            eta_seconds=round((total_steps - step) / speed) if speed else None,
            gpu_memory=gpu_memory,
        )

    def validated(self, loss: float) -> None:
        """The loss on the validation rows, measured while training."""
        self._change(validation_loss=loss)

    def learn(
        self,
        *,
        evaluation: Evaluation | None = None,
        artifacts: Sequence[Artifact] | None = None,
        resolved: Resolved | None = None,
        data: DataSummary | None = None,
        estimate: Estimate | None = None,
    ) -> None:
        """Something of the result is known."""
        before = self.snapshot
        self._change(
            evaluation=evaluation or before.evaluation,
            artifacts=before.artifacts if artifacts is None else tuple(artifacts),
            resolved=resolved or before.resolved,
            data=data or before.data,
            estimate=estimate or before.estimate,
        )

    def note(self, text: str, level: int = logging.WARNING) -> None:
        """Something happened that a person should know of; it is logged, too, a normal course as `logging.INFO`."""
        log.log(level, "%s", text)
        self._change(notes=(*self.snapshot.notes, text))

    def finish(self) -> None:
        """The run's result is written."""
        self._change(finished=True, eta_seconds=None)

    def _change(self, **changes: object) -> None:
        self.snapshot = replace(self.snapshot, **changes)  # type: ignore[arg-type]
        for listener in self._listeners:
            listener.show(self.snapshot)
