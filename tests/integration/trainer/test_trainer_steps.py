"""A step is the same however it is computed: in micro-batches of any size, after memory was out, measured or not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from visionft_api.exit_codes import ExitCode
from visionft_trainer.failures import classify
from visionft_trainer.reporting.progress import Progress
from visionft_trainer.training import train
from visionft_trainer.training.batching import Batching
from visionft_trainer.training.step_trainer import StepTrainer

Build = Callable[..., Any]
STEPS = {"maxSteps": 5, "batchSize": 4, "learningRate": "3e-3", "scheduler": "constant", "checkpoints": {"every": 99}}


def run(bench: Any, folder: Path, batching: Batching, progress: Progress | None = None) -> train.Trained:
    return train.train(
        bench.tuned_model(),
        bench.spec,
        bench.train,
        bench.validation,
        bench.processor,
        bench.family,
        folder,
        progress or Progress(),
        batching,
    )


def losses(trained: train.Trained) -> list[float]:
    return [entry["loss"] for entry in trained.history if "loss" in entry]


@pytest.mark.parametrize("section", [{}, {"groupByLength": True}, {"packing": True}])
def test_micro_batches_of_any_size_learn_the_same(workbench: Build, tmp_path: Path, section: dict[str, Any]) -> None:
    """The loss is over answer tokens, and micro-batches have different numbers of them."""
    bench = workbench(training=STEPS | section, dataset={"limits": {"maxTokens": 96}} if section.get("packing") else {})
    whole = losses(run(bench, tmp_path / "4", Batching(4, 1, False)))
    assert len(whole) == 5
    for micro_batch in (2, 1):
        cut = losses(run(bench, tmp_path / str(micro_batch), Batching(micro_batch, 4 // micro_batch, False)))
        assert cut == pytest.approx(whole, abs=1e-6)


def test_packed_rows_learn_as_separate_rows_do(workbench: Build, tmp_path: Path) -> None:
    """One step over all rows: packs and rows are then the same work."""
    steps = STEPS | {"batchSize": 24, "maxSteps": 3}
    apart = workbench(training=steps)
    packed = workbench(training=steps | {"packing": True})
    expected = losses(run(apart, tmp_path / "apart", Batching(24, 1, False)))
    assert losses(run(packed, tmp_path / "packed", Batching(2, 12, False))) == pytest.approx(expected, abs=1e-6)


def test_checkpointed_activations_learn_the_same(workbench: Build, tmp_path: Path) -> None:
    bench = workbench(training=STEPS)
    expected = losses(run(bench, tmp_path / "kept", Batching(4, 1, False)))
    assert losses(run(bench, tmp_path / "again", Batching(4, 1, True))) == pytest.approx(expected, abs=1e-6)


class Memory:
    """Holds passes of at most `room` rows; more is out of memory, from pass number `after` on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int, after: int) -> None:
        self.passes = 0
        original = StepTrainer.compute_loss

        def compute_loss(trainer: Any, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            self.passes += 1
            if trainer.model.training and len(inputs["input_ids"]) > room and self.passes > after:
                loss = original(trainer, model, inputs, *args, **kwargs)
                loss.backward()  # half of the work was done: its gradients must not count
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            return original(trainer, model, inputs, *args, **kwargs)

        monkeypatch.setattr(StepTrainer, "compute_loss", compute_loss)


@pytest.mark.parametrize(("room", "after"), [(2, 0), (1, 0), (2, 3), (1, 3)])
def test_out_of_memory_halves_the_micro_batch_and_changes_nothing_else(
    workbench: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int, after: int
) -> None:
    bench = workbench(training=STEPS)
    expected = losses(run(bench, tmp_path / "whole", Batching(4, 1, False)))
    Memory(monkeypatch, room, after)
    progress = Progress()
    found = losses(run(bench, tmp_path / "short", Batching(4, 1, False), progress))
    assert found == pytest.approx(expected, abs=1e-6)
    notes = progress.snapshot.notes
    assert len(notes) == (1 if room == 2 else 2)
    assert f"at step {after + 1}: from there on 2 samples are computed at a time, 2 times a step" in notes[0]


def test_a_resumed_run_keeps_its_micro_batches(workbench: Build, tmp_path: Path) -> None:
    """Dropout follows from a row's place in its micro-batch, and other memory may be free by now."""
    steps = STEPS | {"checkpoints": {"every": 2}}
    whole = workbench(training=steps, adapter={"rank": 4, "dropout": "0.3"})
    expected = losses(run(whole, tmp_path / "whole", Batching(4, 1, False)))
    begun = workbench(training=steps | {"maxSteps": 2}, adapter={"rank": 4, "dropout": "0.3"})
    run(begun, tmp_path / "resumed", Batching(4, 1, False))
    assert losses(run(whole, tmp_path / "resumed", Batching(2, 2, False))) == pytest.approx(expected, abs=1e-6)
    assert losses(run(whole, tmp_path / "other", Batching(2, 2, False))) != pytest.approx(expected, abs=1e-4)


def test_out_of_memory_with_one_sample_ends_the_run(
    workbench: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = workbench(training=STEPS)
    Memory(monkeypatch, room=0, after=0)
    with pytest.raises(torch.OutOfMemoryError) as error:
        run(bench, tmp_path, Batching(2, 2, False))
    assert classify(error.value).exit_code == ExitCode.OUT_OF_MEMORY


def test_measuring_in_between_changes_nothing(workbench: Build, tmp_path: Path) -> None:
    sections = {"training": STEPS, "adapter": {"dropout": "0.2"}}
    plain, measured = workbench(**sections), workbench(**sections, evaluation={"every": 2})
    found = run(measured, tmp_path / "b", Batching(4, 1, False))
    assert losses(found) == losses(run(plain, tmp_path / "a", Batching(4, 1, False)))
    assert [entry["step"] for entry in found.history if "eval_loss" in entry] == [2, 4, 5]  # and the last


def test_validation_loss_does_not_depend_on_its_batches(workbench: Build, tmp_path: Path) -> None:
    def measured(size: int) -> float:
        bench = workbench(evaluation={"batchSize": size})
        trainer = bench.trainer(bench.tuned_model(), tmp_path)
        return float(trainer.evaluate()["eval_loss"])

    assert measured(6) == pytest.approx(measured(1), abs=1e-6)
    assert measured(4) == pytest.approx(measured(1), abs=1e-6)


def test_early_stopping_ships_the_best_weights_and_says_why(workbench: Build, tmp_path: Path) -> None:
    bench = workbench(
        training=STEPS | {"maxSteps": 30, "learningRate": "3e-2", "earlyStopping": {"patience": 2, "minDelta": "0.01"}},
        evaluation={"every": 2},
    )
    model = bench.tuned_model()
    progress = Progress()
    trained = train.train(
        model, bench.spec, bench.train, bench.validation, bench.processor, bench.family, tmp_path, progress,
        bench.batching,
    )  # fmt: skip
    curve = {int(entry["step"]): entry["eval_loss"] for entry in trained.history if "eval_loss" in entry}
    assert trained.steps == max(curve) == trained.shipped_step + 4 < 30
    assert all(
        loss >= curve[trained.shipped_step] - 0.01 for step, loss in curve.items() if step > trained.shipped_step
    )
    assert f"stopped early, at step {trained.steps} of 30: 2 measurements in a row" in progress.snapshot.notes[0]
    again = dataclasses.replace(bench).trainer(model, tmp_path / "measure")
    assert again.evaluate()["eval_loss"] == pytest.approx(curve[trained.shipped_step], abs=1e-6)
