"""Training around the happy path: how many steps, what diverges, a full disk, data that changes underfoot."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from support.shipping import write_merged
from support.tiny_spec import DATA_CLAIM, OUTPUT_CLAIM, tiny_run
from visionft_trainer import pipeline
from visionft_trainer.artifacts import adapter as adapters
from visionft_trainer.artifacts import artifact
from visionft_trainer.artifacts import merged as merging
from visionft_trainer.errors import BadConfigError, BadDatasetError, StorageFailedError
from visionft_trainer.reporting.progress import Progress
from visionft_trainer.settings import Settings
from visionft_trainer.signals import Stop
from visionft_trainer.training import train

Build = Callable[..., Any]


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes: as near to a full disk as a test without root comes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    ("training", "steps"),
    [
        ({"maxSteps": 7}, 7),
        ({"epochs": "1", "batchSize": 5}, 5),
        ({"epochs": "2", "batchSize": 5, "gradientAccumulation": 2}, 6),
        ({"epochs": "0.5", "batchSize": 5}, 3),
        ({"epochs": "3", "batchSize": 24}, 3),
        ({"batchSize": 100, "gradientAccumulation": 9}, 1),
    ],
)
def test_steps_are_counted_as_the_trainer_counts_them(
    workbench: Build, tmp_path: Path, training: dict[str, Any], steps: int
) -> None:
    bench = workbench(training={"maxSteps": None, **training})
    trainer = bench.trainer(bench.tuned_model(), tmp_path)
    counted = trainer.set_initial_training_values(trainer.args, trainer.get_train_dataloader())
    assert train.total_steps(bench.spec.training, bench.batching, len(bench.train.examples)) == steps
    assert counted[-1] == steps


def test_learning_rate_warms_up_and_falls(workbench: Build, tmp_path: Path) -> None:
    training = {"maxSteps": 10, "batchSize": 1, "warmupRatio": "0.2", "scheduler": "linear", "learningRate": "1e-2"}
    bench = workbench(training=training)
    model = bench.tuned_model()
    trained = train.train(
        model, bench.spec, bench.train, None, bench.processor, bench.family, tmp_path, Progress(), bench.batching
    )
    rates = [entry["learning_rate"] for entry in trained.history if "learning_rate" in entry]
    assert rates == pytest.approx([0.0, 0.005, 0.01, *[0.01 * left / 8 for left in range(7, 0, -1)]])


def test_divergence_is_told(workbench: Build, tmp_path: Path) -> None:
    bench = workbench()
    model = bench.tuned_model()
    with torch.no_grad():
        next(parameter for parameter in model.parameters() if parameter.requires_grad).fill_(float("nan"))
    with pytest.raises(BadConfigError, match=r"spec\.training\.learningRate: the loss is nan at step 1: .* Lower"):
        train.train(
            model, bench.spec, bench.train, None, bench.processor, bench.family, tmp_path, Progress(), bench.batching
        )


def test_full_disk_while_a_checkpoint_is_saved(workbench: Build, tmp_path: Path) -> None:
    bench = workbench()
    model = bench.tuned_model()
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    with largest_file(20_000), pytest.raises(StorageFailedError, match="bytes are free there"):
        train.train(
            model, bench.spec, bench.train, None, bench.processor, bench.family, folder, Progress(), bench.batching
        )
    assert list(folder.iterdir()) == []


def test_full_disk_while_artifacts_are_written(workbench: Build, tmp_path: Path) -> None:
    bench = workbench(model={"quantization": "none"})
    model = bench.tuned_model()
    with largest_file(20_000), pytest.raises(StorageFailedError, match="adapter cannot be written"):
        artifact.write("adapter", tmp_path / "adapter", [lambda folder: adapters.write(model, folder)], {})
    adapter = adapters.write(model, tmp_path / "adapter")
    merged = merging.merge(model, adapter)
    with largest_file(300_000), pytest.raises(StorageFailedError, match="merged cannot be written"):
        artifact.write(
            "merged", tmp_path / "merged", [lambda folder: write_merged(merged, bench.processor, folder)], {}
        )
    assert [path.name for path in tmp_path.iterdir() if path.is_dir() and path.name != OUTPUT_CLAIM] == ["adapter"]


def test_rows_without_validation_train_and_ship(tmp_path: Path, settings: Settings) -> None:
    run_file = tiny_run(tmp_path, dataset={"validation": None}, output={"adapter": False, "merged": True})
    result = pipeline.run(run_file, settings, Progress(), Stop())
    assert result.evaluation is None
    assert [artifact.kind for artifact in result.artifacts] == ["merged", "report"]
    assert not (tmp_path / OUTPUT_CLAIM / "tiny" / "run-1" / "adapter").exists()
    assert [point.step for point in result.curve] == [1, 2, 3, 4, 5, 6]
    assert result.rows["train"].used == 24


def test_picture_that_vanishes_is_named(workbench: Build, place: Path) -> None:
    bench = workbench()
    fresh = type(bench.train.pictures)(bench.processor, bench.family, bench.train.pictures._rules)
    picture = place / DATA_CLAIM / "images" / "12.png"
    saved = picture.read_bytes()
    picture.unlink()
    try:
        with pytest.raises(BadDatasetError, match=r"row 3: image 'images/12\.png' does not exist.*changed while"):
            fresh.of(bench.train.examples[2].row)
    finally:
        picture.write_bytes(saved)


def test_pictures_beyond_the_cache_are_processed_again(workbench: Build) -> None:
    bench = workbench()
    rows = [example.row for example in bench.train.examples[:3]]
    kept = type(bench.train.pictures)(bench.processor, bench.family, bench.train.pictures._rules)
    none = type(bench.train.pictures)(bench.processor, bench.family, bench.train.pictures._rules, budget=0)
    for row in rows:
        assert kept.of(row) is kept.of(row)
        assert none.of(row) is not none.of(row)
        assert torch.equal(none.of(row)["pixel_values"], kept.of(row)["pixel_values"])
