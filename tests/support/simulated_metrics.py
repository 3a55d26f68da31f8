"""Simulated rows of each kind of metric, with the figure of all the rows there could be."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from visionft_trainer.evaluation.metrics import METRICS, Metric

Floats = NDArray[np.float64]
Rows = Callable[[np.random.Generator, int], Floats]
"""(generator, n) -> `[n, k]`"""
Pairs = Callable[[np.random.Generator, int], tuple[Floats, Floats]]

POPULATION = 400_000
"""Rows whose figure stands for that of endless ones: it is off by a thirtieth of what 500 rows may be off."""


@dataclass(frozen=True)
class Kind:
    """Rows of one metric, or of the same rows before and after training."""

    name: str
    metric: Metric
    rows: Rows | None = None
    pairs: Pairs | None = None

    @cached_property
    def truth(self) -> float:
        """Of endless rows."""
        generator = np.random.default_rng(7)
        if self.rows is not None:
            return self._figure(self.rows(generator, POPULATION))
        assert self.pairs is not None
        before, after = self.pairs(generator, POPULATION)
        return self._figure(after) - self._figure(before)

    def _figure(self, statistics: Floats) -> float:
        return float(self.metric.value(statistics.sum(axis=0)))


def kinds() -> list[Kind]:
    """Figures near their ends and in the middle, with rows that err seldom and often, a little and a lot."""
    match, anls, cer, f1, boxes, bleu, cider = (
        METRICS[name] for name in ("exactMatch", "anls", "cer", "fieldF1", "groundedAccuracy", "bleu", "ciderD")
    )
    return [
        *(Kind(f"exactMatch {p}", match, shares(p)) for p in (0.01, 0.02, 0.05, 0.5, 0.95, 0.98, 0.99)),
        *(Kind(f"anls, {q} of the rows right", anls, similarities(q)) for q in (0.99, 0.95, 0.5, 0.05)),
        *(Kind(f"cer, {q} of the rows wrong", cer, errors(q, most)) for q, most in SKEWED),
        *(Kind(f"fieldF1 {p}", f1, fields(p)) for p in (0.5, 0.9, 0.97)),
        *(Kind(f"groundedAccuracy {p}", boxes, boxes_of_rows(p)) for p in (0.5, 0.95)),
        *(Kind(f"bleu, words right {q}", bleu, captions(q)) for q in (0.3, 0.5, 0.7, 0.9)),
        Kind("ciderD", cider, consensus),
        *(
            Kind(f"exactMatch {a} to {b}", match, pairs=share_pairs(a, b, same))
            for a, b, same in ((0.5, 0.5, 0.9), (0.5, 0.6, 0.5), (0.95, 0.95, 0.5), (0.02, 0.95, 0.5), (0.9, 0.97, 0.7))
        ),
        *(Kind(f"anls {a} to {b}", anls, pairs=similarity_pairs(a, b)) for a, b in ((0.5, 0.9), (0.95, 0.98))),
        *(
            Kind(f"cer, {a} to {b} of the rows wrong", cer, pairs=error_pairs(a, b))
            for a, b in ((0.95, 0.02), (0.9, 0.3), (0.3, 0.3), (0.1, 0.05))
        ),
        *(Kind(f"bleu {a} to {b}", bleu, pairs=caption_pairs(a, b)) for a, b in ((0.5, 0.5), (0.4, 0.7))),
        Kind("ciderD, better", cider, pairs=consensus_pairs),
    ]


SKEWED = ((0.02, 1.0), (0.05, 2.0), (0.3, 2.0), (0.9, 4.0))
"""Share of wrong rows, and the median of the errors in one."""


def shares(p: float) -> Rows:
    return lambda draw, n: _of_one(draw.random(n) < p)


def similarities(right: float) -> Rows:
    """Wrong rows score 0, three in ten, or from a half to all."""
    return lambda draw, n: _of_one(np.where(draw.random(n) < right, 1.0, _severity(draw, n)))


def errors(wrong: float, median: float) -> Rows:
    """Wrong rows have a log-normal number of errors."""

    def rows(draw: np.random.Generator, n: int) -> Floats:
        lengths = _lengths(draw, n)
        return _errors(lengths, draw.random(n) < wrong, median, draw.standard_normal(n))

    return rows


def fields(p: float) -> Rows:
    """Rows of 3 to 12 fields, which are right or wrong together."""

    def rows(draw: np.random.Generator, n: int) -> Floats:
        count = draw.integers(3, 13, n)
        right = draw.binomial(count, draw.beta(4 * p, 4 * (1 - p), n))
        extra = draw.binomial(count - right, 0.7)
        return np.column_stack([right, (count + right + extra) / 2])

    return rows


def boxes_of_rows(p: float) -> Rows:
    def rows(draw: np.random.Generator, n: int) -> Floats:
        count = draw.integers(1, 6, n)
        return np.column_stack([draw.binomial(count, draw.beta(3 * p, 3 * (1 - p), n)), count]).astype(np.float64)

    return rows


def captions(quality: float) -> Rows:
    return lambda draw, n: _caption(draw, draw.integers(5, 20, n), quality, draw.standard_normal(n))


def consensus(draw: np.random.Generator, n: int) -> Floats:
    return _of_one(np.minimum(draw.gamma(0.7, 1.2, n), 10.0))


def share_pairs(before: float, after: float, same: float) -> Pairs:
    """A share `same` of the rows is as hard for the one as for the other."""

    def rows(draw: np.random.Generator, n: int) -> tuple[Floats, Floats]:
        one, other = _hardness(draw, n, same)
        return _of_one(one < before), _of_one(other < after)

    return rows


def similarity_pairs(before: float, after: float) -> Pairs:
    def rows(draw: np.random.Generator, n: int) -> tuple[Floats, Floats]:
        one, other = _hardness(draw, n, 0.6)
        wrong = _severity(draw, n)
        return _of_one(np.where(one < before, 1.0, wrong)), _of_one(np.where(other < after, 1.0, wrong))

    return rows


def error_pairs(before: float, after: float) -> Pairs:
    def rows(draw: np.random.Generator, n: int) -> tuple[Floats, Floats]:
        lengths, hardness, size = _lengths(draw, n), draw.random(n), draw.standard_normal(n)
        return (
            _errors(lengths, hardness < before, 3.0, size),
            _errors(lengths, hardness < after, 3.0, _like(draw, size)),
        )

    return rows


def caption_pairs(before: float, after: float) -> Pairs:
    def rows(draw: np.random.Generator, n: int) -> tuple[Floats, Floats]:
        lengths, ease = draw.integers(5, 20, n), draw.standard_normal(n)
        return _caption(draw, lengths, before, ease), _caption(draw, lengths, after, _like(draw, ease))

    return rows


def consensus_pairs(draw: np.random.Generator, n: int) -> tuple[Floats, Floats]:
    before = consensus(draw, n)
    after = before[:, 0] * draw.choice([1.0, 1.0, 1.2, 0.5], size=n) + draw.gamma(0.3, 0.5, n)
    return before, _of_one(np.minimum(after, 10.0))


def _of_one(scores: NDArray[np.bool_] | Floats) -> Floats:
    return np.column_stack([scores.astype(np.float64), np.ones(len(scores))])


def _severity(draw: np.random.Generator, n: int) -> Floats:
    return np.where(draw.random(n) < 0.3, 0.0, draw.uniform(0.5, 1.0, n))


def _lengths(draw: np.random.Generator, n: int) -> Floats:
    return np.clip(np.round(draw.lognormal(3, 0.5, n)), 3, 200)


def _errors(lengths: Floats, is_wrong: NDArray[np.bool_], median: float, size: Floats) -> Floats:
    edits = np.minimum(1 + np.floor(median * np.exp(size)), 1.5 * lengths)
    return np.column_stack([np.where(is_wrong, edits, 0.0), lengths])


def _caption(draw: np.random.Generator, lengths: NDArray[np.int64], quality: float, ease: Floats) -> Floats:
    """Statistics of BLEU: matches of n words among those of n - 1."""
    p = np.clip(quality + 0.18 * ease, 0.05, 0.98)
    written = np.maximum(1, lengths + draw.integers(-2, 3, len(lengths)))
    most = [np.maximum(written - order, 0) for order in range(4)]
    matches = [draw.binomial(written, p)]
    for order, harder in ((1, 0.1), (2, 0.05), (3, 0.0)):
        matches.append(draw.binomial(np.minimum(matches[-1], most[order]), np.clip(p - harder, 0.02, 1.0)))
    return np.column_stack([written, lengths, *matches, *most]).astype(np.float64)


def _hardness(draw: np.random.Generator, n: int, same: float) -> tuple[Floats, Floats]:
    one = draw.random(n)
    return one, np.where(draw.random(n) < same, one, draw.random(n))


def _like(draw: np.random.Generator, normal: Floats) -> Floats:
    """A normal figure that goes with another, by 0.6."""
    return 0.6 * normal + 0.8 * draw.standard_normal(len(normal))
