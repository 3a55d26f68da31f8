"""Gates, held against what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from visionft_api.gates import Gate
from visionft_api.status import Evaluation, MetricInterval


@dataclass(frozen=True)
class Held:
    """One gate and what came of it. `said` tells it with the value, `missed` as a clause of the verdict's sentence."""

    gate: Gate
    met: bool
    said: str
    missed: str


def hold(gates: Sequence[Gate], evaluation: Evaluation) -> list[Held]:
    """Hold each gate against the measured values. A gate over what was not measured is not met."""
    return [_against_base(gate, evaluation) if gate.against_baseline else _alone(gate, evaluation) for gate in gates]


def _alone(gate: Gate, evaluation: Evaluation) -> Held:
    value = (evaluation.tuned or {}).get(gate.metric)
    met = value is not None and gate.passes(Decimal(value))
    return _held(gate, met, f"{gate.metric} {value or 'not measured'}", f"{gate.metric} is {value or 'not measured'}")


def _against_base(gate: Gate, evaluation: Evaluation) -> Held:
    interval = _change(gate, evaluation)
    if interval is None:
        # An image of one's own tells no intervals, and a message that was too long left them out. Then only the
        # trainer's verdict is left, which is about all gates together.
        met = evaluation.verdict == "Passed"
        what = f"{gate.metric} {(evaluation.tuned or {}).get(gate.metric, 'not measured')}, no interval of its change"
        return _held(gate, met, what, f"{gate.metric} has no interval of its change")
    met = gate.beats_baseline(float(interval.low), float(interval.high))
    change = f"changed by {interval.low} to {interval.high} with 95 % confidence"
    return _held(gate, met, f"{gate.metric} {change}", f"{gate.metric} {change}")


def _change(gate: Gate, evaluation: Evaluation) -> MetricInterval | None:
    found = evaluation.intervals.delta if evaluation.intervals else None
    return (found or {}).get(gate.metric)


def _held(gate: Gate, met: bool, what: str, missed: str) -> Held:
    return Held(gate, met, f"{what} ({'meets' if met else 'misses'} {gate})", f"{missed}, the gate is {gate}")
