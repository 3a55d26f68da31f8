"""How answers are measured: one module a metric, and one entry in `METRICS`. `docs/metrics.md` says what each means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from visionft_trainer.evaluation.metrics.base import Case, Floats, Metric
from visionft_trainer.evaluation.metrics.error_rates import CER, WER
from visionft_trainer.evaluation.metrics.exact_match import EXACT_MATCH

__all__ = ["METRICS", "Case", "Floats", "Metric", "measure"]

METRICS: Mapping[str, Metric] = {metric.name: metric for metric in (CER, WER, EXACT_MATCH)}


def measure(names: Sequence[str], cases: Sequence[Case]) -> dict[str, float]:
    """The named metrics over all cases, of which there is at least one."""
    return {name: float(METRICS[name].value(METRICS[name].statistics(cases).sum(axis=0))) for name in names}
