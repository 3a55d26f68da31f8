"""Share of answers that are right to the letter."""

from __future__ import annotations

from collections.abc import Sequence

from visionft_trainer.evaluation.metrics.base import Case, Floats, Metric, mean_of, share


def _count(cases: Sequence[Case]) -> Floats:
    return mean_of([case.answer in case.references for case in cases])


EXACT_MATCH = Metric("exactMatch", "Exact match", lower_is_better=False, highest=1.0, count=_count, value=share)
