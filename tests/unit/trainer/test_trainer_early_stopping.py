"""What the two loss curves say."""

from __future__ import annotations

import pytest
from visionft_api.spec import TrainingSpec
from visionft_trainer.training.early_stopping import judge, overfitting, should_stop


def history(validation: dict[int, float], training: dict[int, float] | None = None) -> list[dict[str, float]]:
    entries = [{"step": step, "eval_loss": loss} for step, loss in validation.items()]
    return entries + [{"step": step, "loss": loss} for step, loss in (training or {}).items()]


def spec(patience: int, min_delta: str = "0") -> TrainingSpec:
    return TrainingSpec.model_validate({"earlyStopping": {"patience": patience, "minDelta": min_delta}})


def test_the_best_step_is_the_last_gain() -> None:
    judgement = judge(history({10: 1.0, 20: 0.8, 30: 0.79, 40: 0.9}), min_delta=0.05)
    assert (judgement.best_step, judgement.best_loss, judgement.without_gain) == (20, 0.8, 2)
    assert judge([], 0).best_step is None


@pytest.mark.parametrize(
    ("losses", "patience", "stops"),
    [
        ([1.0, 0.9, 0.95], 2, False),
        ([1.0, 0.9, 0.95, 0.91], 2, True),
        ([1.0, 0.9, 0.95, 0.89], 2, False),
        ([1.0, 1.0], 1, True),
    ],
)
def test_training_stops_after_measurements_without_gain(losses: list[float], patience: int, stops: bool) -> None:
    assert should_stop(history(dict(enumerate(losses))), spec(patience)) == stops
    assert not should_stop(history(dict(enumerate(losses))), TrainingSpec())


FALLING = {step: 2.0 / step for step in range(1, 41)}


@pytest.mark.parametrize(
    ("validation", "training", "told"),
    [
        ({10: 1.0, 20: 0.8, 30: 0.9, 40: 1.0}, FALLING, True),
        ({10: 1.0, 20: 0.8, 30: 0.81, 40: 0.83}, FALLING, False),  # 4 %: chance
        ({10: 1.0, 20: 0.8, 30: 0.7, 40: 0.6}, FALLING, False),
        ({10: 1.0, 20: 0.8, 30: 0.9, 40: 1.0}, {step: 1.0 + step for step in range(1, 41)}, False),  # both rise
        ({10: 0.8, 20: 1.0}, FALLING, False),  # too few measurements
    ],
)
def test_overfitting_is_told_from_both_curves(
    validation: dict[int, float], training: dict[int, float], told: bool
) -> None:
    sentence = overfitting(history(validation, training))
    assert (sentence is not None) == told
    if sentence:
        assert "since step 20" in sentence
        assert "from 0.8000 to 1.0000" in sentence
