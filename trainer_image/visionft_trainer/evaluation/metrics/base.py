"""What a metric is: sums of statistics a row, and a figure made of the sums."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from visionft_trainer.data.rows import Box

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """One measured row: what is right, and what the model wrote."""

    references: tuple[str, ...]
    """The right answers, at least one; which of them counts is each metric's own rule."""
    answer: str
    boxes: tuple[Box, ...] = ()
    """The right boxes."""
    answer_boxes: tuple[Box, ...] | None = None
    """The boxes that were read from the answer; None when it wrote none."""


@dataclass(frozen=True)
class Metric:
    """A figure over rows: a function of summed statistics, so that rows drawn anew cost one matrix product."""

    name: str
    """As manifests write it."""
    title: str
    """As people read it."""
    lower_is_better: bool
    highest: float | None
    """The largest possible figure; None without a bound. The smallest is 0."""
    count: Callable[[Sequence[Case]], Floats]
    """`[n, k]`: the statistics of each row, of cases whose texts are clean already."""
    value: Callable[[Floats], Floats]
    """`[..., k]` -> `[...]`: the figure of summed statistics."""
    row_value: Callable[[Floats], Floats] | None = None
    """The figure of a row alone, where `value` says little about single rows."""

    def statistics(self, cases: Sequence[Case]) -> Floats:
        """`[n, k]`: per-row statistics whose sums give the figure."""
        return self.count([_clean(case) for case in cases])

    def row_scores(self, statistics: Floats) -> Floats:
        """`[n, k]` -> `[n]`: the metric of each row alone, to sort rows by."""
        return (self.row_value or self.value)(statistics)


def share(sums: Floats) -> Floats:
    """`[..., 2]` -> `[...]`: the first sum over the second; 0 where both are 0, as no row had anything to get right."""
    return np.asarray(sums[..., 0] / np.maximum(sums[..., 1], 1.0))


def mean_of(scores: Sequence[float]) -> Floats:
    """`[n, 2]`: statistics of a metric that is the mean of its rows' scores."""
    return np.column_stack([np.asarray(scores, dtype=np.float64), np.ones(len(scores))]).reshape(-1, 2)


def best(case: Case, score: Callable[[str, str], float]) -> float:
    """The highest `score(reference, answer)` over the references of a row."""
    return max(score(reference, case.answer) for reference in case.references)


def _clean(case: Case) -> Case:
    """The same texts for every metric: no white space around them, and canonically equivalent texts alike (NFC)."""
    return replace(case, references=tuple(map(_clean_text, case.references)), answer=_clean_text(case.answer))


def _clean_text(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()
