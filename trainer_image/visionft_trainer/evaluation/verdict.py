"""Whether the gates hold. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

from visionft_api.gates import Gate
from visionft_api.status import Verdict

from visionft_trainer.evaluation.judgement import Judgement


def verdict_of(gates: Sequence[Gate], judgement: Judgement) -> Verdict:
    """Passed when every gate holds for the figures as measured, before any rounding."""
    if not gates:
        return "NoGates"
    return "Failed" if failed_gates(gates, judgement) else "Passed"


def failed_gates(gates: Sequence[Gate], judgement: Judgement) -> list[str]:
    """A clause for each gate that does not hold: `cer is 0.0612, the gate is cer <= 0.05`."""
    return [clause for gate in gates if (clause := _missed(gate, judgement)) is not None]


def _missed(gate: Gate, judgement: Judgement) -> str | None:
    assert judgement.tuned is not None
    value = judgement.tuned.figures[gate.metric].value
    if not gate.against_baseline:
        return None if gate.passes(value) else f"{gate.metric} is {value:.6g}, the gate is {gate}"
    change = judgement.delta.get(gate.metric)
    if change is None:
        return f"{gate.metric} of the base model was not measured, the gate is {gate}"
    if gate.beats_baseline(change.low, change.high):
        return None
    return (
        f"{gate.metric} changed by {change.value:+.4f} (95 % interval: {change.low:+.4f} to {change.high:+.4f}), the "
        f"gate is {gate}"
    )
