"""An interruption costs nothing: the next pod goes on as if nothing had happened."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.tiny_spec import DATA_CLAIM, OUTPUT_CLAIM, tiny_run
from visionft_api.status import Stage
from visionft_trainer import pipeline
from visionft_trainer.errors import BadDatasetError, Interrupted
from visionft_trainer.evaluation import rounds
from visionft_trainer.reporting.progress import Progress, Snapshot
from visionft_trainer.reporting.report import Result
from visionft_trainer.settings import Settings
from visionft_trainer.signals import Stop
from visionft_trainer.stages import gather
from visionft_trainer.storage.digest import folder_digest

# Dropout draws random numbers at every step, accumulation and a last batch that is not full make positions matter.
SECTIONS = {
    "adapter": {"dropout": "0.1", "rank": 4},
    "training": {
        "maxSteps": None,
        "epochs": "2",
        "batchSize": 5,
        "gradientAccumulation": 2,
        "learningRate": "3e-3",
        "checkpoints": {"every": 2, "keep": 2},
    },
    "evaluation": {"maxNewTokens": 4, "every": 2},
}
STEPS = 6  # 24 rows: 5 batches, 3 optimiser steps an epoch


class Sigterm:
    """A listener that kills its own process at a moment."""

    def __init__(self, when: Callable[[Snapshot], bool]) -> None:
        self._when = when

    def show(self, snapshot: Snapshot) -> None:
        if self._when(snapshot):
            os.kill(os.getpid(), signal.SIGTERM)

    def close(self) -> None:
        pass


class Pod:
    """Runs the pipeline in an output folder of its own, as one pod after the other would."""

    def __init__(self, tmp_path: Path, settings: Settings, name: str) -> None:
        self.output = tmp_path / name
        self.output.mkdir()
        self._tmp_path = tmp_path
        self._settings = Settings(claims={**settings.claims, OUTPUT_CLAIM: self.output})

    @property
    def folder(self) -> Path:
        return self.output / "tiny" / "run-1"

    def run(self, when: Callable[[Snapshot], bool] | None = None, **sections: dict[str, Any]) -> Result:
        listeners = [Sigterm(when)] if when else []
        run_file = tiny_run(self._tmp_path, uid="u-1", **{**SECTIONS, **sections})
        stop = Stop()
        stop.install()
        return pipeline.run(run_file, self._settings, Progress(listeners), stop)

    def weights(self) -> bytes:
        """What was trained."""
        return (self.folder / "adapter" / "adapter_model.safetensors").read_bytes()

    def checkpoints(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "checkpoints").iterdir())


@pytest.fixture
def pod(tmp_path: Path, settings: Settings) -> Callable[[str], Pod]:
    return lambda name: Pod(tmp_path, settings, name)


def losses(result: Result) -> list[tuple[int, float | None]]:
    return [(point.step, point.loss) for point in result.curve]


def test_interrupted_runs_equal_an_uninterrupted_one(pod: Callable[[str], Pod]) -> None:
    undisturbed = pod("whole")
    whole = undisturbed.run()
    assert [step for step, _ in losses(whole)] == list(range(1, STEPS + 1))
    for moment in (2, 3, 4):  # the step after it ends an epoch, is one of the schedule, and is neither
        broken = pod(f"broken-{moment}")
        with pytest.raises(Interrupted) as interruption:
            broken.run(lambda snapshot, moment=moment: snapshot.step == moment)
        assert interruption.value.exit_code == 143
        assert f"checkpoint-{moment + 1}" in broken.checkpoints()
        resumed = broken.run()
        assert losses(resumed) == losses(whole)
        assert broken.weights() == undisturbed.weights()
        assert resumed.evaluation == whole.evaluation


@pytest.mark.parametrize(
    ("training", "dataset"),
    [
        ({"packing": True, "batchSize": 1}, {}),
        ({"groupByLength": True}, {}),
        ({"earlyStopping": {"patience": 2}, "epochs": "4"}, {}),
        ({}, {"augmentation": {"light": True, "noise": True, "strength": "1", "maxShift": "1"}}),
    ],
    ids=["packed", "grouped by length", "early stopping", "augmented"],
)
def test_every_order_of_rows_resumes_in_the_middle_of_an_epoch(
    pod: Callable[[str], Pod], training: dict[str, Any], dataset: dict[str, Any]
) -> None:
    sections = {
        "training": {**SECTIONS["training"], **training},
        "dataset": {"limits": {"maxTokens": 256}, **dataset},
    }
    undisturbed = pod("whole")
    whole = undisturbed.run(**sections)
    broken = pod("broken")
    for moment in (1, 3):  # a measurement was due at both stops: step 2 and step 4
        with pytest.raises(Interrupted):
            broken.run(lambda snapshot, moment=moment: snapshot.step == moment, **sections)
    resumed = broken.run(**sections)
    assert losses(resumed) == losses(whole)
    assert (resumed.steps, resumed.shipped_step, resumed.notes) == (whole.steps, whole.shipped_step, whole.notes)
    assert broken.weights() == undisturbed.weights()


def test_torn_checkpoint_is_passed_over(pod: Callable[[str], Pod]) -> None:
    whole = pod("whole").run()
    broken = pod("broken")
    with pytest.raises(Interrupted):
        broken.run(lambda snapshot: snapshot.step == 4)
    assert broken.checkpoints() == ["checkpoint-4", "checkpoint-5"]
    optimizer = broken.folder / "checkpoints" / "checkpoint-5" / "optimizer.pt"
    optimizer.write_bytes(optimizer.read_bytes()[:-100])
    assert losses(broken.run()) == losses(whole)


def test_base_model_is_measured_once(pod: Callable[[str], Pod], monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[int] = []
    original = rounds.generate
    monkeypatch.setattr(
        rounds, "generate", lambda model, rows, *rest: (measured.append(len(rows)), original(model, rows, *rest))[1]
    )
    broken = pod("broken")
    with pytest.raises(Interrupted):
        broken.run(lambda snapshot: snapshot.step == 2)
    base = list(measured)
    assert base
    result = broken.run()
    assert measured == base + base  # the tuned model is asked as often
    assert result.evaluation is not None
    assert result.evaluation.baseline


@pytest.mark.parametrize("stage", [Stage.INGEST, Stage.PREPROCESS, Stage.BASELINE, Stage.EVALUATE, Stage.EXPORT])
def test_sigterm_outside_of_training_ends_at_once(pod: Callable[[str], Pod], stage: Stage) -> None:
    broken = pod("broken")
    with pytest.raises(Interrupted) as interruption:
        broken.run(lambda snapshot: snapshot.stage == stage)
    assert interruption.value.exit_code == 143
    assert not (broken.folder / "result.json").exists()
    assert not list(broken.folder.glob("merged"))
    result = broken.run()
    assert result.steps == STEPS
    assert [step for step, _ in losses(result)] == list(range(1, STEPS + 1))


def test_trained_run_is_not_trained_again(pod: Callable[[str], Pod], monkeypatch: pytest.MonkeyPatch) -> None:
    from visionft_trainer.training.step_trainer import StepTrainer

    broken = pod("broken")
    with pytest.raises(Interrupted):
        broken.run(lambda snapshot: snapshot.stage == Stage.EVALUATE)
    monkeypatch.setattr(StepTrainer, "train", lambda *_, **__: pytest.fail("trained again"))
    adapter = folder_digest(broken.folder / "adapter") if (broken.folder / "adapter").exists() else None
    result = broken.run()
    assert adapter in (None, result.artifacts[0].digest)


def test_rows_that_were_refused_are_mended_and_the_run_goes_on(pod: Callable[[str], Pod], place: Path) -> None:
    """Only the model's tokenizer knows the picture's own token: the row is refused after all were read."""
    broken = pod("broken")
    rows = place / DATA_CLAIM / "train.jsonl"
    saved = rows.read_bytes()
    rows.write_bytes(saved.replace(b"Two and two", b"<|image_pad|>"))
    try:
        with pytest.raises(BadDatasetError, match="picture tokens for 0 images"):
            broken.run()
    finally:
        rows.write_bytes(saved)
    assert broken.run().steps == STEPS


def test_data_that_changed_in_between_is_refused(pod: Callable[[str], Pod], place: Path) -> None:
    broken = pod("broken")
    with pytest.raises(Interrupted):
        broken.run(lambda snapshot: snapshot.step == 2)
    rows = place / DATA_CLAIM / "train.jsonl"
    saved = rows.read_bytes()
    rows.write_bytes(saved.replace(b"Two and two", b"One and one"))
    try:
        with pytest.raises(BadDatasetError, match=r"has changed since run 1 began.*spec\.runPolicy\.rerun"):
            broken.run()
    finally:
        rows.write_bytes(saved)
    assert broken.run().steps == STEPS


def test_finished_run_only_reports(pod: Callable[[str], Pod], monkeypatch: pytest.MonkeyPatch) -> None:
    first = pod("whole")
    result = first.run()
    monkeypatch.setattr(gather.data_stage, "read", lambda *_: pytest.fail("read the data again"))
    assert first.run() == result


def test_finished_run_is_judged_by_the_gates_of_today(
    pod: Callable[[str], Pod], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = pod("whole")
    measured = first.run()
    monkeypatch.setattr(gather.data_stage, "read", lambda *_: pytest.fail("read the data again"))
    judged = first.run(evaluation={**SECTIONS.get("evaluation", {}), "gates": ["cer <= 0.0001"]})
    assert judged.evaluation is not None
    assert measured.evaluation is not None
    assert judged.evaluation.tuned == measured.evaluation.tuned
    assert judged.evaluation.verdict == "Failed"
    assert judged.failed_gates
