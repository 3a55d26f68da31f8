"""What gates make of figures."""

import pytest
from support.judgements import figure, judgement, measured
from visionft_api.gates import parse_gate
from visionft_trainer.evaluation.verdict import failed_gates, verdict_of

BOTH = {"tuned": measured(cer=0.05, exactMatch=0.8), "metrics": ["cer", "exactMatch"]}


@pytest.mark.parametrize(
    ("gates", "verdict"),
    [
        ([], "NoGates"),
        (["cer <= 0.05"], "Passed"),
        (["cer < 0.05"], "Failed"),
        (["cer <= 0.05", "exactMatch >= 0.9"], "Failed"),
        (["cer <= 0.05", "exactMatch >= 0.8"], "Passed"),
    ],
)
def test_every_gate_must_hold(gates: list[str], verdict: str) -> None:
    assert verdict_of([parse_gate(gate) for gate in gates], judgement(**BOTH)) == verdict


def test_failed_gates_name_what_was_measured() -> None:
    gates = [parse_gate("cer <= 0.05"), parse_gate("wer <= 0.2")]
    found = judgement(tuned=measured(cer=0.050001, wer=0.1))
    assert failed_gates(gates, found) == ["cer is 0.050001, the gate is cer <= 0.05"]


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(-0.2, -0.1, "Passed"), (-0.2, 0.01, "Failed"), (0.1, 0.2, "Failed")]
)
def test_a_gate_against_the_base_model_goes_by_the_interval(low: float, high: float, verdict: str) -> None:
    """A lower figure is not enough: it may be chance."""
    assert verdict_of([parse_gate("cer < baseline")], judgement(low=low, high=high)) == verdict


def test_better_is_higher_for_other_metrics() -> None:
    found = judgement(tuned=measured(exactMatch=0.8), delta={"exactMatch": figure(0.3, 0.2, 0.4)})
    assert verdict_of([parse_gate("exactMatch > baseline")], found) == "Passed"
    worse = found.model_copy(update={"delta": {"exactMatch": figure(0.0, -0.1, 0.1)}})
    assert failed_gates([parse_gate("exactMatch > baseline")], worse) == [
        "exactMatch changed by +0.0000 (95 % interval: -0.1000 to +0.1000), the gate is exactMatch > baseline"
    ]
