"""Memory that is out in one of two processes that share a model out: both begin again with half the rows at a time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import short_of_memory
from support.interruptions import Case, Runs, largest_difference, make_claims
from support.nursery import Nursery

ROOM = 2  # rows at a time


@pytest.fixture(scope="module")
def claims(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_claims(tmp_path_factory.mktemp("claims"))


def case(processes: int) -> Case:
    training = {"maxSteps": 3, "batchSize": 8 // processes, "learningRate": "3e-3", "sharding": "fsdp"}
    return Case(
        "",
        processes,
        {
            "training": training,
            "dataset": {"validation": None},
            "resources": {"gpus": 2},
        },  # --device cpu brings it here
    )


def test_one_process_short_of_memory_halves_the_passes_of_both(
    claims: Path, tmp_path: Path, nursery: Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Runs(case(1), claims, tmp_path / "plain", nursery.start_program)
    expected = plain.finish()
    monkeypatch.setenv(short_of_memory.ENVIRONMENT, str(ROOM))
    short = Runs(case(2), claims, tmp_path / "short", nursery.start_program)
    assert largest_difference(short.finish(), expected) < 1e-6
    (note,) = json.loads((short.folder / "result.json").read_text(encoding="utf-8"))["notes"]
    assert "at step 1: from there on 2 samples are computed at a time, 2 times a step, in place of 4, 1 times" in note
