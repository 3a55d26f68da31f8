"""How fast models are measured: answers in batches against one by one, and the share of the demo's run that it takes.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/evaluation/speed.py --out benchmarks/evaluation/results/two-cores.json

lets the demo's base model answer its 200 validation rows in batches of several sizes, then trains examples/digits.yaml
as `visionft-trainer run` does, with every check of the pictures, and notes what each stage took. Seconds are those of
the processor (of all its threads), which other work on the machine hardly changes; `wall` are those of the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from visionft_api.run_file import RunFile, load_run_file
from visionft_api.status import Stage
from visionft_trainer import libraries, pipeline
from visionft_trainer.data.ingest import read_split
from visionft_trainer.evaluation.files import read_judgement
from visionft_trainer.evaluation.generate import Limits, generate
from visionft_trainer.evaluation.judgement import Judgement
from visionft_trainer.reporting.progress import Progress, Snapshot
from visionft_trainer.settings import Settings
from visionft_trainer.signals import Stop
from visionft_trainer.sources import model as model_source
from visionft_trainer.storage.scratch import scratch_folder

ROOT = Path(__file__).parents[2]
BATCHES = (50, 8, 1)
ROUNDS = 3
MEASURING = (Stage.BASELINE, Stage.EVALUATE)


class StageTimes:
    """Processor seconds in each stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._stage: Stage | None = None
        self._since = time.process_time()

    def show(self, snapshot: Snapshot) -> None:
        """Note a change of stage."""
        if snapshot.stage != self._stage:
            self.close()
            self._stage = snapshot.stage

    def close(self) -> None:
        """The stage is over."""
        now = time.process_time()
        if self._stage is not None:
            self.seconds[self._stage.value] = self.seconds.get(self._stage.value, 0.0) + now - self._since
        self._since = now


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    libraries.quiet()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        claim = Path(folder) / "digits"
        subprocess.run([sys.executable, ROOT / "examples" / "demo" / "make_data.py", "--out", claim], check=True)
        shutil.copytree(ROOT / "examples" / "demo" / "model", claim / "model")
        settings = Settings(claims={"digits": claim})
        run_file = load_run_file(ROOT / "examples" / "digits.yaml")
        result = {
            "cores": os.cpu_count(),
            "threads": os.environ.get("OMP_NUM_THREADS"),
            "loadBefore": round(load, 2),
            "batches": in_batches(run_file, settings),
        }
        print(json.dumps(result, indent=2), flush=True)
        result["run"] = of_the_run(run_file, settings, claim)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


def of_the_run(run_file: RunFile, settings: Settings, claim: Path) -> dict[str, Any]:
    """The demo's run: seconds of its stages, and what it came to."""
    times = StageTimes()
    began, processor_began = time.monotonic(), time.process_time()
    pipeline.run(run_file, settings, Progress([times]), Stop())
    times.close()
    whole = time.process_time() - processor_began
    measuring = sum(times.seconds[stage.value] for stage in MEASURING)
    judgement = read_judgement(claim / "tuned" / "run-1" / "judgement.json")
    assert judgement is not None
    return {
        "seconds": round(whole, 1),
        "wall": round(time.monotonic() - began, 1),
        "stages": {stage: round(seconds, 2) for stage, seconds in times.seconds.items()},
        "measuringSeconds": round(measuring, 2),
        "measuringShare": round(measuring / whole, 4),
        "rowsAnswered": _rows(judgement),
        "summary": judgement.summary,
    }


def _rows(judgement: Judgement) -> int:
    """Before and after: the validation rows, and those with exchanged and grey pictures."""
    return 2 * (judgement.samples + 2 * 64)


def in_batches(run_file: RunFile, settings: Settings) -> list[dict[str, Any]]:
    """Rows a processor second by batch size, the pictures being processed; the best of some, taken in turn."""
    import torch
    from visionft_trainer.model import load
    from visionft_trainer.prepare.preprocess import preprocess

    spec = run_file.spec
    assert spec.dataset.validation is not None
    with scratch_folder() as scratch:
        split = read_split("validation", spec.dataset.validation, spec.dataset, settings, scratch)
        files = model_source.locate(spec.model, settings)
        processor = load.load_processor(files, spec)
        rows = preprocess(split, spec.dataset, processor, files.family, scratch)
        model = load.load_model(files, spec, torch.device("cpu"))
        for example in rows.examples:
            rows.images(example)
        speeds: dict[int, list[float]] = {batch: [] for batch in BATCHES}
        for _ in range(ROUNDS):
            for batch in BATCHES:
                limits = Limits(spec.evaluation.max_new_tokens, batch)
                began = time.process_time()
                generate(model, rows.examples, rows, limits, processor, files.family)
                speeds[batch].append(len(rows.examples) / (time.process_time() - began))
    single = max(speeds[1])
    return [
        {"batch": batch, "rowsPerSecond": round(max(found), 1), "timesOneByOne": round(max(found) / single, 1)}
        for batch, found in speeds.items()
    ]


if __name__ == "__main__":
    main()
