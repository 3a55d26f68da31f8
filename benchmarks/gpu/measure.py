"""Run `visionft-trainer run` and record what it used: `python measure.py MANIFEST --pvc CLAIM=DIR --out FILE`.

The step time is the median over the steps after the first ten, taken from the time of each step's report. The memory is
CUDA's own peak of allocated bytes in the trainer's process.
"""

import argparse
import json
import statistics
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from visionft_trainer import cli
from visionft_trainer.commands import ending
from visionft_trainer.reporting.progress import Snapshot

WARM_UP_STEPS = 10


class Stopwatch:
    """A listener that notes when each stage and each step was told."""

    def __init__(self) -> None:
        self.stages: dict[str, float] = {}
        self.steps: list[float] = []
        self.losses: list[float] = []
        self._last_step: int | None = None

    def show(self, snapshot: Snapshot) -> None:
        now = time.perf_counter()
        self.stages.setdefault(str(snapshot.stage), now)
        if snapshot.step is not None and snapshot.step != self._last_step:
            self._last_step = snapshot.step
            self.steps.append(now)
            self.losses.append(snapshot.loss or 0.0)

    def close(self) -> None:
        self.stages["end"] = time.perf_counter()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("manifest")
    parser.add_argument("--pvc", required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    watch = Stopwatch()
    original = ending._listeners
    ending._listeners = lambda call, reports: [*original(call, reports=reports), watch]
    code = cli.main(["run", options.manifest, "--pvc", options.pvc, "--quiet"])
    gaps = [later - earlier for earlier, later in pairwise(watch.steps)][WARM_UP_STEPS:]
    stages = list(watch.stages.items())
    result: dict[str, Any] = {
        "manifest": Path(options.manifest).stem,
        "exit_code": code,
        "gpu": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "seconds_per_step": statistics.median(gaps) if gaps else None,
        "steps": len(watch.steps),
        "first_loss": watch.losses[0] if watch.losses else None,
        "last_loss": watch.losses[-1] if watch.losses else None,
        "peak_allocated_bytes": torch.cuda.max_memory_allocated(),
        "stage_seconds": {a: round(tb - ta, 2) for (a, ta), (_, tb) in pairwise(stages)},
    }
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result))
    sys.exit(code)


if __name__ == "__main__":
    main()
