"""TensorBoard: event files in the run's folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from visionft_trainer.tracking.tracker import Point, TrackedRun


class TensorBoard:
    """Writes `tracking/tensorboard/`; `tensorboard --logdir` on the folder that holds the runs shows them together."""

    name = "tensorboard"

    def __init__(self) -> None:
        self._writer: Any = None
        self._last_step = 0

    def begin(self, run: TrackedRun) -> None:
        """Open a further event file; TensorBoard reads them as one."""
        from tensorboardX import SummaryWriter  # type: ignore[import-untyped]

        folder = run.folder / "tensorboard"
        fresh = not folder.exists()
        self._writer = SummaryWriter(str(folder))
        if fresh:
            table = "\n".join(
                ["| field | value |", "| --- | --- |", *(f"| {k} | {v} |" for k, v in run.parameters.items())]
            )
            self._writer.add_text("spec", table)
        self._writer.flush()

    def write(self, points: Sequence[Point]) -> None:
        """Add and flush, so that a run that is killed keeps its curve."""
        for point in points:
            for name, value in point.values.items():
                self._writer.add_scalar(name, value, point.step, walltime=point.milliseconds / 1000)
            self._last_step = point.step
        self._writer.flush()

    def conclude(self, figures: Mapping[str, float], tags: Mapping[str, str], files: Sequence[Path]) -> None:
        """Figures as scalars at the last step."""
        for name, value in figures.items():
            self._writer.add_scalar(name, value, self._last_step)
        for name, text in tags.items():
            self._writer.add_text(name, text)
        self._writer.flush()

    def close(self, *, finished: bool) -> None:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()
