"""Warnings about what metrics alone do not show."""

import pytest
from support.judgements import figure, judgement, measured, vision
from visionft_trainer.evaluation.judgement import Figure, Judgement, VisionUse
from visionft_trainer.evaluation.warn import warnings


def reasons(found: Judgement, change: Figure | None = None) -> list[str]:
    return [warn.reason for warn in warnings(found, {"cer": change} if change else {})]


def test_a_model_that_looks_gets_no_warning() -> None:
    found = judgement(vision_baseline=vision(0.7, 0.95, 1.1), vision_tuned=vision(0.03, 0.9, 0.8))
    assert reasons(found, figure(0.5, 0.45, 0.55)) == []


def test_a_tuned_model_that_does_as_well_blind_is_told() -> None:
    found = judgement(vision_baseline=vision(0.3, 0.9, 0.9), vision_tuned=vision(0.02, 0.02, 0.02))
    (warn,) = warnings(found, {"cer": figure(-0.6, -0.65, -0.55)})
    assert warn.reason == "VisionReliance"
    assert "0.02 with them, 0.02 with those of other rows, 0.02 with grey ones" in warn.message


def test_a_rough_interval_is_not_taken_for_blindness() -> None:
    """Pictures halve the mistakes; that the interval reaches 0 is for want of rows."""
    assert reasons(judgement(vision_tuned=vision(0.4, 0.8, 0.8, spread=0.5))) == []


def test_a_model_that_gets_nothing_right_is_not_said_to_answer_from_the_question() -> None:
    assert reasons(judgement(vision_tuned=vision(1.0, 1.0, 1.0))) == []
    assert reasons(judgement(vision_tuned=vision(2.5, 2.5, 3.0))) == []
    nothing = {"fieldF1": figure(0.0)}
    use = VisionUse(samples=9, intact=nothing, shuffled=nothing, blank=nothing, reliance=nothing)
    found = judgement(metrics=["fieldF1"], vision_tuned=use)
    assert [warn.reason for warn in warnings(found, {})] == []


@pytest.mark.parametrize("intact", [0.91, 0.98])
def test_reliance_of_one_that_is_barely_better_than_silence_means_nothing(intact: float) -> None:
    assert reasons(judgement(vision_tuned=vision(intact, intact, intact))) == []
    # Without its picture the base model babbles, which is all that its picture prevents:
    babbles = vision(intact, 1.4, 1.5)
    assert reasons(judgement(vision_baseline=babbles, vision_tuned=vision(0.7, 0.8, 0.8)), figure(-0.4)) == []
    learnt = vision(0.2, 0.9, 0.9)
    unlearnt = vision(intact, 1.0, 1.0)
    assert reasons(judgement(vision_baseline=learnt, vision_tuned=unlearnt), figure(-0.6)) == []


def test_reliance_that_training_shrinks_clearly_is_told() -> None:
    found = judgement(vision_baseline=vision(0.2, 0.9, 0.9), vision_tuned=vision(0.2, 0.4, 0.4))
    assert reasons(found, figure(-0.5, -0.6, -0.4)) == ["VisionReliance"]
    assert reasons(found, figure(-0.5, -0.9, -0.1)) == []  # may be a seventh only
    assert reasons(found, figure(-0.5, -0.9, 0.1)) == []  # may be chance


def test_knowing_the_form_of_answers_is_no_blindness() -> None:
    """The base model writes prose about grey pictures, the tuned one guesses in the right form: errors there shrink."""
    found = judgement(vision_baseline=vision(0.9, 2.0, 2.2), vision_tuned=vision(0.05, 0.8, 0.7))
    assert reasons(found, figure(-0.45, -0.5, -0.4)) == []


def test_features_that_become_alike_are_told() -> None:
    before, looks = vision(0.5, 0.9, 0.9, rank=20.0), (0.05, 0.9, 0.9)
    assert reasons(judgement(vision_baseline=before, vision_tuned=vision(*looks, rank=9.0))) == ["VisionCollapse"]
    assert reasons(judgement(vision_baseline=before, vision_tuned=vision(*looks, rank=12.0))) == []


def test_clear_forgetting_is_told() -> None:
    general = {"general_baseline": measured(cer=0.1), "general_tuned": measured(cer=0.3)}
    assert reasons(judgement(**general, general_delta={"cer": figure(0.2, 0.1, 0.3)})) == ["Forgetting"]
    assert reasons(judgement(**general, general_delta={"cer": figure(0.2, -0.1, 0.5)})) == []
    assert reasons(judgement(**general, general_delta={"cer": figure(-0.2, -0.3, -0.1)})) == []


def test_pictures_that_surely_mend_a_little_are_looked_at() -> None:
    assert reasons(judgement(vision_tuned=vision(0.80, 0.85, 0.85, spread=0.01))) == []
    assert reasons(judgement(vision_tuned=vision(0.80, 0.85, 0.85, spread=0.06))) == ["VisionReliance"]
