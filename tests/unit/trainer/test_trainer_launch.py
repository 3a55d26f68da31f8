"""How many processes, and what is said when they end."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from visionft_api.exit_codes import ExitCode
from visionft_api.spec import ResourcesSpec
from visionft_trainer.errors import BadConfigError
from visionft_trainer.processes import launch
from visionft_trainer.training.batching import Batching


@pytest.mark.parametrize(
    ("gpus", "env", "flag", "number"),
    [
        (0, {}, None, 1),
        (1, {}, None, 1),
        (4, {}, None, 4),
        (4, {"VISIONFT_PROCESSES": "2"}, None, 2),
        (0, {"VISIONFT_PROCESSES": "2"}, 3, 3),
    ],
)
def test_one_process_for_each_gpu_unless_said_otherwise(
    gpus: int, env: dict[str, str], flag: int | None, number: int
) -> None:
    assert launch.processes(ResourcesSpec(gpus=gpus), env, flag) == number


@pytest.mark.parametrize(
    ("gpus", "env", "words"),
    [
        (2, {"VISIONFT_PROCESSES": "3"}, "3 processes for spec.resources.gpus 2"),
        (0, {"VISIONFT_PROCESSES": "two"}, "VISIONFT_PROCESSES is 'two'"),
        (0, {"VISIONFT_PROCESSES": "99"}, "99 processes"),
    ],
)
def test_numbers_that_cannot_be_are_refused(gpus: int, env: dict[str, str], words: str) -> None:
    with pytest.raises(BadConfigError, match=words):
        launch.processes(ResourcesSpec(gpus=gpus), env, None)


def said(folder: Path, rank: int, code: int, message: str, time: int) -> None:
    entry = {"exit_code": code, "message": message, "detail": None, "time": time}
    (folder / f"failure-{rank}.json").write_text(json.dumps(entry))


def test_the_first_failure_is_the_cause(tmp_path: Path) -> None:
    said(tmp_path, 0, ExitCode.TRAINER_ERROR, "connection closed", 1)  # for want of process 1
    said(tmp_path, 1, ExitCode.STORAGE_FAILED, "the disk is full", 2)
    cause = launch._cause([1, 14], tmp_path)
    assert cause is not None
    assert (cause.rank, cause.failure.message) == (1, "the disk is full")


def test_a_silent_death_is_the_cause_of_what_the_others_say(tmp_path: Path) -> None:
    said(tmp_path, 0, ExitCode.TRAINER_ERROR, "connection closed", 1)
    cause = launch._cause([1, -signal.SIGKILL], tmp_path)
    assert cause is not None
    assert (cause.rank, cause.failure.exit_code) == (1, ExitCode.KILLED)


def test_a_signal_before_a_worker_listens_is_an_interruption(tmp_path: Path) -> None:
    cause = launch._cause([None, -signal.SIGTERM], tmp_path)
    assert cause is not None
    assert cause.failure.exit_code == ExitCode.TERMINATED


def test_no_failure_has_no_cause(tmp_path: Path) -> None:
    assert launch._cause([0, 0], tmp_path) is None


@pytest.mark.parametrize(
    ("batching", "smaller"),
    [((8, 1), (4, 2)), ((2, 3), (1, 6)), ((3, 1), (1, 3)), ((6, 2), (3, 4)), ((5, 2), (2, 5)), ((1, 4), None)],
)
def test_half_a_micro_batch_keeps_the_samples_of_a_step(
    batching: tuple[int, int], smaller: tuple[int, int] | None
) -> None:
    halved = Batching(*batching, gradient_checkpointing=False).halved()
    assert (halved and (halved.micro_batch, halved.accumulation)) == smaller
