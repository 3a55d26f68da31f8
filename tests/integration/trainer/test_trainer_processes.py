"""One run in several processes, started as a user starts it: the same losses as in one, one word when it fails."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.interruptions import Case, Runs, children, largest_difference, make_claims, until
from visionft_api.exit_codes import ExitCode

ROOT = Path(__file__).parents[3]
GPUS = {"resources": {"gpus": 2}}  # --device cpu brings it here
STEPS = {"maxSteps": 4, "batchSize": 2, "learningRate": "3e-3", "checkpoints": {"every": 2}}
ADAPTER = {"rank": 4, "dropout": "0.1"}


@pytest.fixture(scope="module")
def claims(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_claims(tmp_path_factory.mktemp("claims"))


def case(processes: int, **sections: dict[str, Any]) -> Case:
    training = STEPS | {"gradientAccumulation": 4 // processes} | sections.pop("training", {})
    return Case("", processes, {"adapter": ADAPTER, "evaluation": {"every": 2}, **sections, "training": training})


def curve(runs: Runs, key: str = "validationLoss") -> list[float]:
    result = json.loads((runs.folder / "result.json").read_text())
    return [point[key] for point in result["curve"] if key in point]


@pytest.mark.parametrize(
    "sections",
    [
        {"training": {"groupByLength": True}},
        {**GPUS, "training": {"sharding": "fsdp"}},
        {**GPUS, "training": {"sharding": "fsdp"}, "model": {"quantization": "none"}, "adapter": {"method": "full"},
         "output": {"adapter": False, "merged": True}},
    ],
    ids=["data parallel, grouped by length", "FSDP, NF4", "FSDP, full fine-tuning"],
)  # fmt: skip
def test_two_processes_learn_as_one(claims: Path, tmp_path: Path, sections: dict[str, Any]) -> None:
    one = Runs(case(1, **sections), claims, tmp_path / "one")
    two = Runs(case(2, **sections), claims, tmp_path / "two")
    expected = one.finish()
    assert largest_difference(two.finish(), expected) < 1e-6
    assert curve(two) == pytest.approx(curve(one), abs=1e-6)
    assert len(curve(two)) == 2


def test_a_killed_process_ends_the_others_and_is_named(claims: Path, tmp_path: Path) -> None:
    runs = Runs(case(2, training={"maxSteps": 400}), claims, tmp_path)
    process = runs.start()
    until(lambda: bool(runs.steps()))
    family = children(process.pid)
    assert len(family) == 2
    victim = next(child for child in family if child.environ()["RANK"] == "1")
    victim.send_signal(signal.SIGKILL)
    assert process.wait() == ExitCode.KILLED
    assert (
        "visionft-trainer: Process 1 of 2 was killed from outside: raise spec.resources.memory" in runs.log.read_text()
    )
    assert "Traceback" not in runs.log.read_text()
    assert not any(child.is_running() for child in family)


def test_nothing_outlives_a_killed_parent(claims: Path, tmp_path: Path) -> None:
    runs = Runs(case(2, training={"maxSteps": 400}), claims, tmp_path)
    process = runs.start()
    until(lambda: bool(runs.steps()))
    family = children(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    until(lambda: not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in family))


def test_bad_rows_are_told_once_and_without_a_traceback(claims: Path, tmp_path: Path) -> None:
    runs = Runs(case(2, dataset={"limits": {"maxTokens": 16}}), claims, tmp_path)
    assert runs.start().wait() == ExitCode.BAD_DATASET
    log = runs.log.read_text()
    assert log.count("visionft-trainer:") == 1
    assert "none of the 24 rows fits" in log
    assert "Traceback" not in log


def test_interrupted_runs_go_on_to_the_same_losses(tmp_path: Path) -> None:
    """A few of the interruptions that benchmarks/interruptions counts, over one and two processes."""
    out = tmp_path / "out.jsonl"
    script = ROOT / "benchmarks" / "interruptions" / "interrupt.py"
    env = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, script, out, "6", "4", "7"], env=env, check=True)
    entries = [json.loads(line) for line in out.read_text().splitlines()]
    assert sum("kind" in entry for entry in entries) == 6
    ends = [entry for entry in entries if "end" in entry]
    assert {entry["processes"] for entry in ends} == {1, 2}
    assert all(entry["steps"] == entry["expected"] for entry in ends)
    assert all(entry["largest_difference"] <= 1e-6 for entry in entries)
