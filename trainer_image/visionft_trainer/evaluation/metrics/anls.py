"""Average normalised Levenshtein similarity, which forgives small misreadings.

Biten et al., "Scene Text Visual Question Answering", ICCV 2019 (arXiv 1905.13648), section 4; small letters, and the
length of the capitals, as in the published evaluation of DocVQA.
"""

from __future__ import annotations

from collections.abc import Sequence

from visionft_trainer.evaluation.metrics.base import Case, Floats, Metric, best, mean_of, share

THRESHOLD = 0.5
"""An answer that differs in this share of its characters, or more, scores 0."""


def _count(cases: Sequence[Case]) -> Floats:
    return mean_of([best(case, _similarity) for case in cases])


def _similarity(reference: str, answer: str) -> float:
    from rapidfuzz.distance import Levenshtein

    one, other = _comparable(reference), _comparable(answer)
    length = max(len(one.upper()), len(other.upper()), 1)
    difference = Levenshtein.distance(one, other) / length
    return 1.0 - difference if difference < THRESHOLD else 0.0


def _comparable(text: str) -> str:
    return " ".join(text.lower().split())


ANLS = Metric(
    "anls", "Average normalised Levenshtein similarity", lower_is_better=False, highest=1.0, count=_count, value=share
)
