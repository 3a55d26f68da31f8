"""What gates make of metrics."""

import pytest
from visionft_api.gates import parse_gate
from visionft_trainer.evaluation.verdict import evaluation_of, failed_gates, verdict_of


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
    parsed = [parse_gate(gate) for gate in gates]
    assert verdict_of(parsed, {"cer": 0.05, "exactMatch": 0.8}) == verdict


def test_failed_gates_name_what_was_measured() -> None:
    gates = [parse_gate("cer <= 0.05"), parse_gate("wer <= 0.2")]
    assert failed_gates(gates, {"cer": 0.050001, "wer": 0.1}) == ["cer is 0.050001, the gate is cer <= 0.05"]


def test_status_form() -> None:
    before = evaluation_of({"cer": 0.71}, None, [], 8)
    assert before.to_json() == {"baseline": {"cer": "0.7100"}, "samples": 8}
    after = evaluation_of({"cer": 0.71}, {"cer": 0.04}, [parse_gate("cer <= 0.05")], 8)
    assert after.to_json() == {
        "baseline": {"cer": "0.7100"},
        "tuned": {"cer": "0.0400"},
        "delta": {"cer": "-0.6700"},
        "verdict": "Passed",
        "samples": 8,
    }
    assert evaluation_of(None, {"cer": 0.5}, [], 8).to_json()["verdict"] == "NoGates"
