"""The conclusion, and the sentence that people read."""

import pytest
from support.judgements import figure, judgement, measured, way
from visionft_api.gates import parse_gate
from visionft_trainer.evaluation.conclude import decide
from visionft_trainer.evaluation.judgement import Judgement

GATE = [parse_gate("cer <= 0.06")]


def sentence(found: Judgement, gates: list[str] | None = None) -> str:
    return decide(found, [parse_gate(gate) for gate in gates or []]).summary


@pytest.mark.parametrize(
    ("low", "high", "conclusion"),
    [(-0.69, -0.62, "Better"), (0.02, 0.1, "Worse"), (-0.01, 0.02, "NoDifference"), (0.0, 0.0, "NoDifference")],
)
def test_the_interval_decides(low: float, high: float, conclusion: str) -> None:
    assert decide(judgement(low=low, high=high), []).conclusion == conclusion


def test_only_the_first_metric_decides() -> None:
    delta = {"cer": figure(-0.5, -0.6, -0.4), "exactMatch": figure(-0.3, -0.4, -0.2)}
    both = judgement(metrics=["cer", "exactMatch"], delta=delta)
    assert decide(both, []).conclusion == "Better"
    turned = both.model_copy(update={"metrics": ["exactMatch", "cer"], "baseline": measured(exactMatch=0.5, cer=0.7),
                                     "tuned": measured(exactMatch=0.2, cer=0.2)})  # fmt: skip
    assert decide(turned, []).conclusion == "Worse"


def test_better_in_a_sentence() -> None:
    assert sentence(judgement(), ["cer <= 0.06", "cer < baseline"]) == (
        "Tuning lowered the character error rate from 0.71 to 0.05 (95 % interval of the change: -0.69 to -0.62) on "
        "300 rows; every gate holds."
    )


def test_a_gate_that_is_not_met_is_told() -> None:
    assert sentence(judgement(), ["cer <= 0.01"]).endswith("; a gate is not met: cer is 0.05, the gate is cer <= 0.01.")


def test_worse_in_a_sentence() -> None:
    assert sentence(judgement(0.1, 0.4, 0.25, 0.35)) == (
        "The model got worse: tuning raised the character error rate from 0.10 to 0.40 (95 % interval of the change: "
        "+0.25 to +0.35) on 300 rows."
    )


def test_no_difference_is_not_called_one() -> None:
    assert sentence(judgement(0.5, 0.49, -0.03, 0.01)) == (
        "No difference can be shown: the character error rate from 0.50 to 0.49 (95 % interval of the change: -0.03 to "
        "+0.01) on 300 rows."
    )


def test_a_prompt_that_does_as_well_is_named() -> None:
    found = judgement(alternatives=[way(0.5, -0.5, -0.4, "Digits?", "prompt 1"), way(0.05, -0.01, 0.02)])
    decided = decide(found, GATE)
    assert decided.conclusion == "PromptSuffices"
    assert decided.summary == (
        "Tuning lowered the character error rate from 0.71 to 0.05 (95 % interval of the change: -0.69 to -0.62) on "
        '300 rows, but prompt 2 ("Read the number.") does as well without training (0.05); every gate holds.'
    )


def test_the_best_of_several_that_do_as_well_is_named() -> None:
    found = judgement(alternatives=[way(0.06, -0.03, 0.01), way(0.04, -0.02, 0.03, None, "3 examples")])
    assert "but the base model with 3 examples does as well" in sentence(found)


def test_other_prompts_that_do_worse_change_nothing() -> None:
    assert decide(judgement(alternatives=[way(0.3, -0.3, -0.2)]), []).conclusion == "Better"


def test_a_prompt_does_not_excuse_a_worse_model() -> None:
    found = judgement(0.1, 0.4, 0.25, 0.35, alternatives=[way(0.1, 0.2, 0.3)])
    assert decide(found, []).conclusion == "Worse"


def test_few_rows_are_said_to_be_few() -> None:
    assert "on 6 rows, which are too few to be sure of the interval" in sentence(judgement(samples=6))
    assert "on 1 row, which is too few to be sure of the interval" in sentence(judgement(samples=1))
    assert "on 1 row, which" in sentence(judgement(samples=1))


def test_without_the_base_model_nothing_is_concluded() -> None:
    decided = decide(judgement(None), GATE)
    assert decided.conclusion is None
    assert decided.verdict == "Passed"
    assert decided.summary == (
        "The tuned model's character error rate is 0.05 (95 % interval: 0.04 to 0.06) on 300 rows; the base model was "
        "not measured; every gate holds."
    )


def test_before_training_only_the_base_model_is_told() -> None:
    found = judgement(tuned=None, delta={}, baseline=measured(cer=figure(0.71, 0.68, 0.74)))
    decided = decide(found, GATE)
    assert (decided.verdict, decided.conclusion) == (None, None)
    assert decided.summary == "The base model's character error rate is 0.71 (95 % interval: 0.68 to 0.74) on 300 rows."


def test_small_figures_keep_what_there_is() -> None:
    assert "from 0.0031 to 0.00 (95 % interval of the change: -0.0042 to -0.002)" in sentence(
        judgement(0.0031, 0.0, -0.0042, -0.002)
    )


def test_other_gates_judge_the_same_figures_anew() -> None:
    first = decide(judgement(), [parse_gate("cer <= 0.01")])
    again = decide(first, GATE)
    assert (first.verdict, again.verdict, again.failed_gates) == ("Failed", "Passed", [])
    assert again.summary.endswith("every gate holds.")
