"""Losses that are scaled, as they are on GPUs that compute in float16: steps stay what they are.

Computing itself stays in float32 here, so that the scaling alone is at work: by powers of two, which round nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from visionft_trainer.reporting.progress import Progress
from visionft_trainer.training import train

Build = Callable[..., Any]

CLIPPED = {"maxGradNorm": "0.05", "maxSteps": 4, "batchSize": 4, "learningRate": "1e-2", "checkpoints": {"every": 2}}
SCALE = 1024.0


@pytest.fixture
def scaled(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Makes trainers scale their losses, twice as much after each two steps; gives the trainers."""
    trainers: list[Any] = []
    build = train.build_trainer

    def build_scaled(*args: Any) -> Any:
        trainer = build(*args)
        trainer.accelerator.native_amp = True
        trainer.accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=SCALE, growth_interval=2)
        trainers.append(trainer)
        return trainer

    from accelerate import Accelerator, accelerator

    monkeypatch.setattr(Accelerator, "mixed_precision", property(lambda _: "fp16"))
    monkeypatch.setattr(
        accelerator, "get_mixed_precision_context_manager", lambda *_: torch.autocast("cpu", enabled=False)
    )
    monkeypatch.setattr(train, "build_trainer", build_scaled)
    return trainers


def history(bench: Any, folder: Path, steps: int = 9) -> list[tuple[float, float]]:
    """Loss and norm of the gradients of each step, for at most `steps` steps more."""
    allowed = iter(range(steps))
    done = train.train(
        bench.tuned_model(), bench.spec, bench.train, None, bench.processor, bench.family, folder, Progress(),
        bench.batching, lambda: next(allowed, None) is None,
    )  # fmt: skip
    return [(entry["loss"], entry["grad_norm"]) for entry in done.history if "loss" in entry]


def test_scaled_losses_train_what_unscaled_ones_train(
    workbench: Build, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    bench = workbench(training=CLIPPED)
    plain = history(bench, tmp_path / "plain")
    trainers = request.getfixturevalue("scaled")
    assert history(bench, tmp_path / "scaled") == plain
    assert len(plain) == 4
    assert all(norm > float(CLIPPED["maxGradNorm"]) for _, norm in plain)  # what is clipped is not scaled any more
    assert trainers[0].accelerator.scaler.get_scale() == 4 * SCALE


def test_a_resumed_run_keeps_its_scale(workbench: Build, tmp_path: Path, scaled: list[Any]) -> None:
    bench = workbench(training=CLIPPED)
    whole = history(bench, tmp_path / "whole")
    assert len(history(bench, tmp_path / "broken", steps=2)) == 3
    assert history(bench, tmp_path / "broken") == whole
    assert [trainer.accelerator.scaler.get_scale() for trainer in scaled] == [4 * SCALE, 2 * SCALE, 4 * SCALE]
