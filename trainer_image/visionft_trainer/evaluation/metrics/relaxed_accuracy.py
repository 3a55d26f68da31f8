"""Relaxed accuracy: numbers may be 5 % off, other answers must be right.

Masry et al., "ChartQA", ACL Findings 2022 (arXiv 2203.10244), section 5.1; percent signs and letter case as in the
published evaluation of Pix2Struct.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from visionft_trainer.evaluation.metrics.base import Case, Floats, Metric, best, mean_of, share

TOLERANCE = 0.05


def _count(cases: Sequence[Case]) -> Floats:
    return mean_of([best(case, _is_right) for case in cases])


def _is_right(reference: str, answer: str) -> bool:
    expected, given = _number(reference), _number(answer)
    if expected and given is not None:  # of 0 nothing is 5 %, so that it must be written as the reference writes it
        return abs(given - expected) / abs(expected) <= TOLERANCE
    return answer.lower() == reference.lower()


def _number(text: str) -> float | None:
    try:
        number = float(text.rstrip("%")) / 100 if text.endswith("%") else float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


RELAXED_ACCURACY = Metric(
    "relaxedAccuracy", "Relaxed accuracy", lower_is_better=False, highest=1.0, count=_count, value=share
)
