"""How far a figure may be off because only so many rows were measured: 95 % intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from visionft_trainer.evaluation.metrics.base import Floats, Metric

DRAWS = 2000
CHUNK = 4_000_000  # row draws at once, so that memory does not grow with the rows


@dataclass(frozen=True)
class Interval:
    """Where the figure of all such rows lies with 95 % confidence."""

    low: float
    high: float


def interval(metric: Metric, statistics: Floats, seed: int = 0) -> Interval:
    """The interval of the metric over rows with `statistics` `[n, k]`, n > 0; the same for the same seed."""
    return _quantiles(metric.value(_draw(statistics, seed)))


def difference(metric: Metric, before: Floats, after: Floats, seed: int = 0) -> Interval:
    """The interval of after minus before, both `[n, k]` over the same rows, which are drawn together."""
    return weighted(metric, [(-1.0, before), (1.0, after)], seed)


def weighted(metric: Metric, parts: Sequence[tuple[float, Floats]], seed: int = 0) -> Interval:
    """The interval of a weighted sum of figures, each of `[n, k]` over the same rows, which are drawn together."""
    drawn = _draw(np.hstack([statistics for _, statistics in parts]), seed)
    figures = np.split(drawn, len(parts), axis=1)
    values = [weight * metric.value(sums) for (weight, _), sums in zip(parts, figures, strict=True)]
    return _quantiles(np.sum(values, axis=0))


def _quantiles(values: Floats) -> Interval:
    low, high = np.quantile(values, [0.025, 0.975])
    return Interval(float(low), float(high))


def _draw(statistics: Floats, seed: int) -> Floats:
    """`[DRAWS, k]`: sums over n rows drawn with replacement."""
    n = len(statistics)
    draw = np.random.default_rng(seed)
    step = max(1, CHUNK // n)
    sums = np.empty((DRAWS, statistics.shape[1]))
    for start in range(0, DRAWS, step):
        size = min(step, DRAWS - start)
        rows = draw.integers(n, size=(size, n)) + np.arange(size)[:, None] * n
        sums[start : start + size] = np.bincount(rows.ravel(), minlength=size * n).reshape(size, n) @ statistics
    return sums
