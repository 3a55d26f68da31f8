"""Weights & Biases: a run in the run's folder, sent while it works where the manifest says Online."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from visionft_api.spec import WandbSpec

from visionft_trainer.tracking.tracker import Point, TrackedRun


class Wandb:
    """Offline, the default, nothing leaves the machine: `wandb sync` sends it later. Online needs WANDB_API_KEY."""

    name = "wandb"

    def __init__(self, spec: WandbSpec) -> None:
        self._spec = spec
        self._run: Any = None

    def begin(self, run: TrackedRun) -> None:
        """Open the run by its key, so that a later pod adds to it."""
        folder = run.folder / "wandb"
        folder.mkdir(parents=True, exist_ok=True)
        # Its caches and settings must not land in a home folder that a pod cannot write.
        for name in ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
            os.environ.setdefault(name, str(folder / ".wandb-files"))
        import wandb

        settings = wandb.Settings(
            silent=True, console="off", disable_code=True, disable_git=True, save_code=False, x_disable_stats=True
        )
        self._run = wandb.init(
            project=self._spec.project,
            entity=self._spec.entity,
            dir=str(folder),
            mode="online" if self._spec.mode == "Online" else "offline",
            id=run.key,
            name=run.title,
            resume="allow",
            config=dict(run.parameters),
            settings=settings,
        )

    def write(self, points: Sequence[Point]) -> None:
        """Add points; W&B wants rising steps, which they have."""
        for point in points:
            self._run.log(dict(point.values), step=point.step)

    def conclude(self, figures: Mapping[str, float], tags: Mapping[str, str], files: Sequence[Path]) -> None:
        """Figures and facts go to the run's summary, files beside it."""
        self._run.summary.update({**figures, **tags})
        place = Path(self._run.dir)
        for file in files:
            # A copy: W&B would link to the file, and the folder is to be sent from anywhere.
            shutil.copyfile(file, place / file.name)
            self._run.save(str(place / file.name), base_path=str(place), policy="now")

    def close(self, *, finished: bool) -> None:
        """End the run."""
        if self._run is not None:
            self._run.finish(exit_code=0 if finished else 1)
