"""How far a figure may be off because only so many rows were measured: 95 % intervals.

Rows drawn with replacement say how much a figure varies. Quantiles of such draws are too narrow an interval for few
rows, and none at all where every row is right, so the interval is that of a share which varies as much: Jeffreys'
(Brown, Cai and DasGupta, Statistical Science 16, 2001, section 4.3) over the number of rows that makes it so (Korn and
Graubard, Survey Methodology 24, 1998). A plain share gets Jeffreys' interval itself.
`docs/decisions/0011-intervals.md` says what was tried besides, and `benchmarks/metrics` how often the intervals hold.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce

import numpy as np

from visionft_trainer.evaluation.metrics.base import Floats, Metric

TAIL = 0.025
"""What an interval leaves out at each end."""
DRAWS = 2000
MOST_ROWS = 20_000
"""More rows are drawn in groups of some, whose sums vary as they do: 200,000 rows take no longer than these."""
NOTHING = 1e-12
"""Below it a number is a zero that was rounded."""
CHUNK = 4_000_000
"""Row draws at once (32 MB), so that memory does not grow with the rows."""


@dataclass(frozen=True)
class Interval:
    """Where the figure of all such rows lies with 95 % confidence. It holds the measured figure."""

    low: float
    high: float


def interval(metric: Metric, statistics: Floats, seed: int = 0) -> Interval:
    """The interval of the metric over rows with `statistics` `[n, k]`, n > 0; the same for the same seed."""
    known = _known(metric, statistics, seed)
    return Interval(known.low, known.high)


def difference(metric: Metric, before: Floats, after: Floats, seed: int = 0) -> Interval:
    """The interval of after minus before, both `[n, k]` over the same rows, which are drawn together."""
    return weighted(metric, [(-1.0, before), (1.0, after)], seed)


def weighted(metric: Metric, parts: Sequence[tuple[float, Floats]], seed: int = 0) -> Interval:
    """The interval of a weighted sum of figures, each of `[n, k]` over the same rows, which are drawn together.

    At least two. The figures' own intervals, put together by how much the figures vary together (MOVER: Zou and Donner,
    Statistics in Medicine 27, 2008; for shares Newcombe's method 10, Statistics in Medicine 17, 1998). One more row for
    and one against (Bonett and Price, Journal of Educational and Behavioral Statistics 37, 2012) stand for rows that
    differ and were not seen.
    """
    known = [_known(metric, statistics, seed).times(weight) for weight, statistics in parts]
    total = reduce(_plus, known[:-1])
    total = _plus(total, known[-1], _unseen(total, known[-1], metric.highest or 1.0))
    return Interval(total.low, total.high)


@dataclass(frozen=True)
class _Known:
    """What is known of a figure, or of a sum of figures."""

    figure: float
    low: float
    high: float
    draws: Floats
    """`[DRAWS]`: the figure over drawn rows."""
    contributions: Floats
    """`[n]`: how far each row pulls the figure from the mean of them all, times n (jackknife)."""

    def times(self, weight: float) -> _Known:
        low, high = sorted((weight * self.low, weight * self.high))
        return _Known(weight * self.figure, low, high, weight * self.draws, weight * self.contributions)

    @property
    def variance(self) -> float:
        """That a normal figure with this interval would have."""
        return ((self.high - self.low) / 2 / _normal_quantile()) ** 2


def _plus(one: _Known, other: _Known, unseen: float = 0.0) -> _Known:
    """The sum. `unseen` is the variance beyond that of the draws."""
    draws = one.draws + other.draws
    variance = float(np.var(draws, ddof=1)) + unseen
    apart, both = one.variance + other.variance, 2 * math.sqrt(one.variance * other.variance)
    together = min(max((variance - apart) / both, -1.0), 1.0) if both > 0 else 0.0
    figure = one.figure + other.figure
    return _Known(
        figure,
        figure - _joined(one.figure - one.low, other.figure - other.low, together),
        figure + _joined(one.high - one.figure, other.high - other.figure, together),
        draws,
        one.contributions + other.contributions,
    )


def _joined(one: float, other: float, together: float) -> float:
    return math.sqrt(max(one**2 + 2 * together * one * other + other**2, 0.0))


def _unseen(one: _Known, other: _Known, unit: float) -> float:
    """Variance of two rows that nobody saw: one for and one against, which change as much as those that were seen.

    How much that is lies between what is seen and `unit`, the most, by how many are seen.
    """
    changes = (one.contributions + other.contributions + one.figure + other.figure) / unit
    size, seen = float(np.abs(changes).sum()), _effective_count(changes)
    mean = float((changes**2).sum()) / size if size > NOTHING else 1.0
    change = mean ** (seen / (seen + 1)) if mean < 1 else mean
    return 2 * (unit * change / len(changes)) ** 2


def _known(metric: Metric, statistics: Floats, seed: int) -> _Known:
    total, draws = statistics.sum(axis=0), metric.value(_draw(statistics, seed))
    figure, without = float(metric.value(total)), metric.value(total - statistics)
    contributions = (len(statistics) - 1) * (without.mean() - without)
    low, high = _jeffreys(figure, float(np.var(draws, ddof=1)), contributions, metric.highest)
    return _Known(figure, min(low, figure), max(high, figure), draws, contributions)


def _jeffreys(figure: float, variance: float, contributions: Floats, highest: float | None) -> tuple[float, float]:
    """Of a share with this variance; of a count of errors (a Poisson figure) where the metric has no highest value."""
    from scipy.special import betaincinv, gammaincinv, stdtrit  # type: ignore[import-untyped]

    unit, rows = highest or 1.0, len(contributions)
    share = figure / unit
    whole = share * (1 - share) if highest else share  # n times the variance, were rows wholly right or wholly wrong
    effect = _design_effect(
        rows * variance / unit**2 / whole if whole > 0 else 0.0, _effective_count(contributions) / 4
    )
    few = (
        _normal_quantile() / stdtrit(max(rows - 1, 1), 1 - TAIL)
    ) ** 2  # from n rows the variance too is only guessed
    size = rows / effect * few
    right = size * share + 0.5
    if highest:
        low, high = betaincinv(right, max(size * (1 - share), 0.0) + 0.5, [TAIL, 1 - TAIL])
    else:
        low, high = gammaincinv(right, [TAIL, 1 - TAIL]) / size
    return unit * float(low), unit * float(high)


def _design_effect(effect: float, seen: float) -> float:
    """How much a figure varies, of what it would if rows were wholly right or wholly wrong.

    Where few rows are wrong at all, how bad a wrong row is, is known from those few only: less than 1 is drawn towards
    1, by as much as one more row weighs beside those `seen`.
    """
    if effect < NOTHING:  # all rows are alike, which says nothing of one that is not
        return 1.0
    return effect ** (seen / (seen + 1)) if effect < 1 else effect


def _effective_count(values: Floats) -> float:
    """How many equal values would spread as these do; 0 of zeros. Of few values on one side of a mean it is four times
    as many, for those on the other side weigh as much."""
    squares = float((values**2).sum())
    return float(np.abs(values).sum()) ** 2 / squares if squares > NOTHING else 0.0


def _normal_quantile() -> float:
    from scipy.special import ndtri

    return float(ndtri(1 - TAIL))


def _draw(statistics: Floats, seed: int) -> Floats:
    """`[DRAWS, k]`: sums over as many rows as there are, drawn with replacement."""
    if len(statistics) > MOST_ROWS:
        order = np.random.default_rng(seed).permutation(len(statistics))
        starts = np.linspace(0, len(order), MOST_ROWS, endpoint=False, dtype=np.intp)
        statistics = np.add.reduceat(statistics[order], starts, axis=0)
    rows = len(statistics)
    chunks = (_all_counts(rows, seed),) if DRAWS * rows <= CHUNK else _counts(rows, seed)
    return np.concatenate([counts @ statistics for counts in chunks])


@lru_cache(maxsize=1)
def _all_counts(rows: int, seed: int) -> Floats:
    """Kept, for the metrics of one set all draw the same rows."""
    return np.concatenate(list(_counts(rows, seed)))


def _counts(rows: int, seed: int) -> Iterator[Floats]:
    """`[some, rows]`, DRAWS in all: how often each row is drawn."""
    generator = np.random.default_rng(seed)
    step = max(1, CHUNK // rows)
    for start in range(0, DRAWS, step):
        size = min(step, DRAWS - start)
        drawn = generator.integers(rows, size=(size, rows)) + np.arange(size)[:, None] * rows
        yield np.bincount(drawn.ravel(), minlength=size * rows).reshape(size, rows).astype(np.float64)
