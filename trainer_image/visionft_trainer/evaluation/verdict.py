"""What the measurements come to: the figures of the status, and whether the gates hold. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from visionft_api.decimals import format_decimal
from visionft_api.gates import Gate
from visionft_api.status import Evaluation, Verdict

DIGITS = 4  # decimals of a metric in the status


def verdict_of(gates: Sequence[Gate], tuned: Mapping[str, float]) -> Verdict:
    """Passed when every gate holds for the figures as measured, before any rounding."""
    if not gates:
        return "NoGates"
    return "Failed" if failed_gates(gates, tuned) else "Passed"


def failed_gates(gates: Sequence[Gate], tuned: Mapping[str, float]) -> list[str]:
    """A clause for each gate that does not hold: `cer is 0.0612, the gate is cer <= 0.05`."""
    return [
        f"{gate.metric} is {tuned[gate.metric]:.6g}, the gate is {gate}"
        for gate in gates
        if not gate.passes(tuned[gate.metric])
    ]


def evaluation_of(
    baseline: Mapping[str, float] | None, tuned: Mapping[str, float] | None, gates: Sequence[Gate], samples: int
) -> Evaluation:
    """The status form. Before training only `baseline` is known, and there is no verdict yet."""
    return Evaluation(
        baseline=_decimals(baseline),
        tuned=_decimals(tuned),
        delta=_decimals({name: tuned[name] - baseline[name] for name in tuned}) if baseline and tuned else None,
        verdict=verdict_of(gates, tuned) if tuned is not None else None,
        samples=samples,
    )


def _decimals(metrics: Mapping[str, float] | None) -> dict[str, str] | None:
    if metrics is None:
        return None
    texts = {name: format_decimal(value, DIGITS) for name, value in metrics.items()}
    return {name: text for name, text in texts.items() if text is not None}
