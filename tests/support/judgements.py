"""Judgements for the tests of what follows from them."""

from __future__ import annotations

from typing import Any

from visionft_trainer.evaluation.judgement import Alternative, Figure, Judgement, Measured, VisionUse


def figure(value: float, low: float | None = None, high: float | None = None) -> Figure:
    """A figure; without bounds it is exact."""
    return Figure(value=value, low=value if low is None else low, high=value if high is None else high)


def measured(samples: int = 200, **figures: float | Figure) -> Measured:
    """One way of answering."""
    of = {name: value if isinstance(value, Figure) else figure(value) for name, value in figures.items()}
    return Measured(figures=of, samples=samples, seconds=1.0, tokens=10)


def judgement(
    before: float | None = 0.71, after: float = 0.05, low: float = -0.69, high: float = -0.62, **more: Any
) -> Judgement:
    """Of a character error rate that went from `before` to `after`, the change being in `low` to `high`."""
    found = Judgement(
        metrics=["cer"],
        samples=300,
        baseline=None if before is None else measured(cer=before),
        tuned=measured(cer=figure(after, after - 0.01, after + 0.01)),
        delta={} if before is None else {"cer": figure(after - before, low, high)},
    )
    return found.model_copy(update=more)


def way(
    value: float, low: float, high: float, prompt: str | None = "Read the number.", name: str = "prompt 2"
) -> Alternative:
    """Another way of asking the base model; tuned minus it is in `low` to `high`."""
    delta = {"cer": figure((low + high) / 2, low, high)}
    return Alternative(name=name, prompt=prompt, measured=measured(cer=value), delta_to_tuned=delta)


def vision(intact: float, shuffled: float, blank: float, spread: float = 0.01, rank: float | None = None) -> VisionUse:
    """How a model with these character error rates uses its pictures."""
    gain = min(shuffled, blank) - intact
    return VisionUse(
        samples=300,
        intact={"cer": figure(intact)},
        shuffled={"cer": figure(shuffled)},
        blank={"cer": figure(blank)},
        reliance={"cer": figure(gain, gain - spread, gain + spread)},
        effective_rank=rank,
    )
