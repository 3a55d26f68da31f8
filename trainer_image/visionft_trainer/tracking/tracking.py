"""Tells the trackers that a manifest asks for how the run goes: a listener of its progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from visionft_api.run_file import RunFile
from visionft_api.spec import TrackingSpec

from visionft_trainer.reporting.progress import Snapshot
from visionft_trainer.storage.folder import RunFolder
from visionft_trainer.tracking.delivered import Delivered
from visionft_trainer.tracking.ending import ending_of
from visionft_trainer.tracking.tracker import Point, TrackedRun, Tracker, flatten
from visionft_trainer.tracking.worker import Worker

FOLDER = "tracking"
STATE = "delivered.json"


def open_tracking(run_file: RunFile, place: RunFolder) -> Tracking | None:
    """What the manifest asks for, or None where it asks for no tracker."""
    trackers = trackers_of(run_file.spec.tracking)
    return Tracking(trackers, run_file, place) if trackers else None


def trackers_of(spec: TrackingSpec | None) -> list[Tracker]:
    """One tracker for each switch that is on. Their libraries are imported when they begin."""
    if spec is None:
        return []
    from visionft_trainer.tracking.mlflow import Mlflow
    from visionft_trainer.tracking.tensorboard import TensorBoard
    from visionft_trainer.tracking.wandb import Wandb

    trackers: list[Tracker] = [TensorBoard()] if spec.tensorboard else []
    if spec.mlflow is not None:
        trackers.append(Mlflow(spec.mlflow))
    if spec.wandb is not None:
        trackers.append(Wandb(spec.wandb))
    return trackers


class Tracking:
    """Turns snapshots into points; a step that a tracker has from before an interruption is not sent again."""

    def __init__(
        self,
        trackers: Sequence[Tracker],
        run_file: RunFile,
        place: RunFolder,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._place = place
        self._clock = clock
        self._last: Snapshot | None = None
        folder = place.path / FOLDER
        folder.mkdir(exist_ok=True)
        self._delivered = Delivered(folder / STATE)
        run = TrackedRun(
            place.owner.namespace,
            place.owner.name,
            place.owner.run,
            _key(place),
            flatten(run_file.spec.to_json()),
            folder,
        )
        # A tracker that has the result of a complete run is not opened again.
        waiting = [tracker for tracker in trackers if not self._delivered.of(tracker.name).ended]
        self._before = {tracker.name: self._delivered.of(tracker.name).last for tracker in waiting}
        self._workers = {tracker.name: Worker(tracker, run, self._delivered) for tracker in waiting}

    def show(self, snapshot: Snapshot) -> None:
        """Hear of a step or of a validation."""
        point = point_of(self._last, snapshot, self._clock())
        self._last = snapshot
        if point is None:
            return
        for name, worker in self._workers.items():
            if point.step > self._before[name]:
                worker.add(point)

    def close(self) -> None:
        """Hand over the result of a run that is complete, and let the trackers go."""
        finished = self._last is not None and self._last.finished
        ending = ending_of(self._place) if finished else None
        for worker in self._workers.values():
            worker.end(ending)
        for worker in self._workers.values():
            worker.join()


def point_of(before: Snapshot | None, now: Snapshot, seconds: float) -> Point | None:
    """What `now` says that `before` did not; None where it is nothing of the curves."""
    if now.step is None or now.step == 0:
        return None
    values: dict[str, float | None] = {}
    if before is None or now.step != before.step:
        values = {
            "train/loss": now.loss,
            "train/learning_rate": now.learning_rate,
            "train/epoch": now.epoch,
            "train/samples_per_second": now.samples_per_second,
            "train/gpu_memory_bytes": now.gpu_memory,
        }
    if now.validation_loss is not None and (before is None or now.validation_loss != before.validation_loss):
        values["validation/loss"] = now.validation_loss
    known = {name: float(value) for name, value in values.items() if value is not None}
    return Point(now.step, known, round(seconds * 1000)) if known else None


def _key(place: RunFolder) -> str:
    owner = place.owner
    return f"{owner.uid or owner.name}-{owner.run}-{owner.spec_hash}"
