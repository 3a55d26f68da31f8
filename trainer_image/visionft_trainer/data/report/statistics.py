"""Figures over many rows: spreads of sizes and lengths, balance of answers, diversity of pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from visionft_api.shown import shorten

from visionft_trainer.data.report.facts import Facts
from visionft_trainer.data.report.model import AnswerShare, Balance, Diversity, Looks, Spread
from visionft_trainer.data.report.perceptual_hash import FINE, Words

TOP_ANSWERS = 10
SHOWN_CHARACTERS = 80  # of an answer, in the report
DIVERSITY_SAMPLE = 256  # pictures, evenly spaced over the data
DIGITS = 4  # after the point


def spread(values: np.ndarray[Any, Any]) -> Spread | None:
    """Least, middle and most of `[N]` values; None where there are none."""
    if not len(values):
        return None
    least, low, middle, high, most = np.quantile(values, (0, 0.05, 0.5, 0.95, 1))
    return Spread(
        least=_round(least),
        p5=_round(low),
        median=_round(middle),
        mean=_round(values.mean(dtype=np.float64)),
        p95=_round(high),
        most=_round(most),
    )


def looks(facts: Facts) -> Looks | None:
    """What the pictures of a split are like; None where it has none."""
    pictures = facts.pictures
    if not len(pictures):
        return None
    width, height = (pictures.column(name) for name in ("width", "height"))
    return Looks(
        width=spread(width),
        height=spread(height),
        aspect=spread(width / height),
        brightness=spread(pictures.column("brightness")),
        contrast=spread(pictures.column("contrast")),
        blank=int(np.count_nonzero(pictures.column("blank"))),
    )


def balance(answers: Words, text_of: Callable[[int], str]) -> Balance:
    """How evenly the `[N]` answers, given by their digests, are spread; `text_of(position)` gives one in full.

    `entropy` is Shannon's, in bits: 0 where all are the same, log2(N) where each is another.
    """
    _, first, counts = np.unique(answers, return_index=True, return_counts=True)
    shares = counts / len(answers)
    top = np.lexsort((first, -counts))[:TOP_ANSWERS]
    return Balance(
        distinct=len(counts),
        entropy=abs(_round(-(shares * np.log2(shares)).sum())),
        top=[
            AnswerShare(
                answer=shorten(text_of(int(first[at])), SHOWN_CHARACTERS),
                rows=int(counts[at]),
                share=_round(shares[at]),
            )
            for at in top
        ],
    )


def diversity(facts: Facts) -> Diversity | None:
    """How many pictures that have nothing in common would be as diverse as a sample of these.

    The Vendi score of D. Friedman and A. B. Dieng, "The Vendi Score: A Diversity Evaluation Metric for Machine
    Learning" (2023): the exponential of the entropy of the eigenvalues of K / n, where K[i, j] is the likeness of two
    pictures, here the square of the correlation of their fine perceptual hashes. None below two pictures.
    """
    pictures = facts.pictures
    visible = np.flatnonzero(~pictures.column("blank").astype(bool))
    sample = visible[np.linspace(0, len(visible) - 1, min(len(visible), DIVERSITY_SAMPLE)).astype(int)]
    if len(sample) < 2:
        return None
    words = np.ascontiguousarray(pictures.column("fine")[sample])
    signs = np.unpackbits(words.view(np.uint8), axis=1)[:, : FINE * FINE] * 2.0 - 1.0
    likeness = (signs @ signs.T / signs.shape[1]) ** 2
    eigenvalues = np.linalg.eigvalsh(likeness / len(sample))
    eigenvalues = eigenvalues[eigenvalues > 0]
    score = np.exp(-(eigenvalues * np.log(eigenvalues)).sum())
    return Diversity(pictures=len(sample), score=_round(score), share=_round(score / len(sample)))


def _round(value: Any) -> float:
    return round(float(value), DIGITS)


def share(part: int, whole: int) -> float:
    """`part` of `whole`, 0 where there is nothing."""
    return part / whole if whole else 0.0
