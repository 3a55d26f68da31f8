"""One run in several processes: the same losses as in one, one word when it fails."""

from __future__ import annotations

import json
import os
import random
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.interruptions import (
    DEADLINE_SECONDS,
    Case,
    Runs,
    children,
    interrupt_all,
    largest_difference,
    make_claims,
    until,
)
from support.made_runs import made_run
from support.nursery import Nursery
from support.tiny_spec import OUTPUT_CLAIM
from visionft_api.exit_codes import ExitCode
from visionft_api.run_file import load_run_file
from visionft_trainer.settings import Settings

SEED = 3  # of which interruptions come
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
def test_two_processes_learn_as_one(claims: Path, tmp_path: Path, nursery: Nursery, sections: dict[str, Any]) -> None:
    one = Runs(case(1, **sections), claims, tmp_path / "one", nursery.start_program)
    two = Runs(case(2, **sections), claims, tmp_path / "two", nursery.start_program)
    expected = one.finish()
    assert largest_difference(two.finish(), expected) < 1e-6
    assert curve(two) == pytest.approx(curve(one), abs=1e-6)
    assert len(curve(two)) == 2


def test_all_processes_end_where_nothing_is_to_be_trained(claims: Path, tmp_path: Path, nursery: Nursery) -> None:
    runs = Runs(case(2), claims, tmp_path, nursery.start_program)
    made_run(load_run_file(runs.manifest), Settings(claims={OUTPUT_CLAIM: runs.output}))
    assert runs.start().wait(DEADLINE_SECONDS) == ExitCode.SUCCESS
    assert json.loads((runs.folder / "result.json").read_text())["artifacts"]
    assert not runs.steps()
    assert runs.start().wait(DEADLINE_SECONDS) == ExitCode.SUCCESS, "nor when its result is there"


def test_a_killed_process_ends_the_others_and_is_named(claims: Path, tmp_path: Path, nursery: Nursery) -> None:
    runs = Runs(case(2, training={"maxSteps": 400}), claims, tmp_path, nursery.start_program)
    process = runs.start()
    until(lambda: process.poll() is not None or bool(runs.steps()))
    family = children(process.pid)
    assert len(family) == 2
    victim = max(family, key=lambda child: child.create_time())  # process 1 is started last
    victim.send_signal(signal.SIGKILL)
    assert process.wait() == ExitCode.KILLED
    assert (
        "visionft-trainer: Process 1 of 2 was killed from outside: raise spec.resources.memory" in runs.log.read_text()
    )
    assert "Traceback" not in runs.log.read_text()
    assert not any(child.is_running() for child in family)


def test_nothing_outlives_a_killed_parent(claims: Path, tmp_path: Path, nursery: Nursery) -> None:
    runs = Runs(case(2, training={"maxSteps": 400}), claims, tmp_path, nursery.start_program)
    process = runs.start()
    until(lambda: process.poll() is not None or bool(runs.steps()))
    family = children(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    until(lambda: not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in family))


def test_bad_rows_are_told_once_and_without_a_traceback(claims: Path, tmp_path: Path) -> None:
    """Started as a user starts it: each process a Python of its own."""
    runs = Runs(case(2, dataset={"limits": {"maxTokens": 16}}), claims, tmp_path)
    assert runs.start().wait() == ExitCode.BAD_DATASET
    log = runs.log.read_text()
    assert log.count("visionft-trainer:") == 1
    assert "none of the 24 rows fits" in log
    assert "Traceback" not in log


def test_interrupted_runs_go_on_to_the_same_losses(claims: Path, tmp_path: Path, nursery: Nursery) -> None:
    """A few of the interruptions that benchmarks/interruptions counts, over one and two processes."""
    training = {"maxSteps": 16, "checkpoints": {"every": 2, "keep": 2}}
    stopping = case(1, training=training | {"earlyStopping": {"patience": 30}})
    entries: list[dict[str, Any]] = []
    interrupt_all(
        [stopping, case(2, training=training)], 4, claims, tmp_path, nursery.start_program, random.Random(SEED),
        entries.append,
    )  # fmt: skip
    assert sum("kind" in entry for entry in entries) == 4
    ends = [entry for entry in entries if "end" in entry]
    assert {entry["processes"] for entry in ends} == {1, 2}
    assert all(entry["steps"] == entry["expected"] for entry in ends)
    assert all(entry["largest_difference"] <= 1e-6 for entry in entries)
