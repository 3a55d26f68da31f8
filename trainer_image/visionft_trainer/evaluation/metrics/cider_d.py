"""CIDEr-D of captions: agreement with the references in the words that few other pictures' references have.

Vedantam et al., "CIDEr: Consensus-based Image Description Evaluation", CVPR 2015 (arXiv 1411.5726), section 5, with the
constants of the COCO caption evaluation. How rare words are is counted in the references of the measured rows.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from visionft_trainer.evaluation.metrics.base import Case, Floats, Metric, mean_of, share
from visionft_trainer.evaluation.metrics.words import words

ORDERS = 4
SIGMA = 6.0
"""Of the Gaussian by which an answer loses that is longer or shorter than the reference."""
HIGHEST = 10.0

_Grams = Counter[tuple[str, ...]]


@dataclass(frozen=True)
class _Vector:
    """A caption: the weights of its word sequences by length 1 to 4, and their norms."""

    weights: tuple[dict[tuple[str, ...], float], ...]
    norms: tuple[float, ...]
    words: int


def _count(cases: Sequence[Case]) -> Floats:
    references = [[_grams(reference) for reference in case.references] for case in cases]
    seen = Counter(gram for row in references for gram in set().union(*row))
    answers = [_vector(_grams(case.answer), seen, len(cases)) for case in cases]
    return mean_of(
        [
            HIGHEST * _mean(_similarity(answer, _vector(grams, seen, len(cases))) for grams in row)
            for answer, row in zip(answers, references, strict=True)
        ]
    )


def _grams(text: str) -> _Grams:
    said = words(text)
    return Counter(tuple(said[at : at + n]) for n in range(1, ORDERS + 1) for at in range(len(said) - n + 1))


def _vector(grams: _Grams, seen: Counter[tuple[str, ...]], rows: int) -> _Vector:
    """Term frequency times inverse document frequency, a row's references being one document."""
    weights: tuple[dict[tuple[str, ...], float], ...] = tuple({} for _ in range(ORDERS))
    for gram, count in grams.items():
        weights[len(gram) - 1][gram] = count * (math.log(rows) - math.log(max(seen[gram], 1)))
    norms = tuple(math.sqrt(sum(weight**2 for weight in order.values())) for order in weights)
    return _Vector(weights, norms, sum(count for gram, count in grams.items() if len(gram) == 1))


def _similarity(answer: _Vector, reference: _Vector) -> float:
    """0 to 1: the mean cosine over sequences of each length, repetition cut to the reference's, times the penalty."""
    cosines = [
        sum(min(weight, theirs[gram]) * theirs[gram] for gram, weight in ours.items() if gram in theirs) / norm
        if (norm := our_norm * their_norm)
        else 0.0
        for ours, theirs, our_norm, their_norm in zip(
            answer.weights, reference.weights, answer.norms, reference.norms, strict=True
        )
    ]
    return _mean(cosines) * math.exp(-((answer.words - reference.words) ** 2) / (2 * SIGMA**2))


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


CIDER_D = Metric("ciderD", "CIDEr-D", lower_is_better=False, highest=HIGHEST, count=_count, value=share)
