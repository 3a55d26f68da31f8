"""Acc@0.5: the share of boxes that lie where they should, by intersection over union.

For a row with one right box this is the measure of RefCOCO (Yu et al., "Modeling Context in Referring Expressions",
ECCV 2016, arXiv 1608.00272). With several boxes, each of one side goes with at most one of the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from visionft_trainer.data.rows import Box
from visionft_trainer.evaluation.metrics.base import Case, Floats, Metric, share

LEAST_OVERLAP = 0.5
ROUNDING = 1e-9  # half is enough, also where a share of the picture is no whole binary fraction


def _count(cases: Sequence[Case]) -> Floats:
    """`[n, 2]`: boxes that are right, and boxes there are to be right: the right ones, or those written if more."""
    rows = [
        (_pairs(case.boxes, case.answer_boxes or ()), len(case.boxes), len(case.answer_boxes or ())) for case in cases
    ]
    return np.asarray([(found, max(right, given)) for found, right, given in rows], dtype=np.float64).reshape(-1, 2)


def _pairs(right: Sequence[Box], given: Sequence[Box]) -> int:
    """The most pairs of boxes that overlap enough and bear the same label."""
    from scipy.optimize import linear_sum_assignment  # type: ignore[import-untyped]

    if not right or not given:
        return 0
    fit = (overlaps(right, given) >= LEAST_OVERLAP - ROUNDING) & _same_label(right, given)
    return int(fit[linear_sum_assignment(fit, maximize=True)].sum())


def overlaps(one: Sequence[Box], other: Sequence[Box]) -> Floats:
    """`[n, m]`: intersection over union of each pair; 0 where neither has an area."""
    a, b = _edges(one)[:, None], _edges(other)[None]
    low, high = np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])
    shared = np.clip(high - low, 0, None).prod(axis=-1)
    union = _areas(a) + _areas(b) - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def _edges(boxes: Sequence[Box]) -> Floats:
    return np.asarray([(box.left, box.top, box.right, box.bottom) for box in boxes], dtype=np.float64)


def _areas(edges: Floats) -> Floats:
    return np.asarray(np.clip(edges[..., 2:] - edges[..., :2], 0, None).prod(axis=-1))


def _same_label(right: Sequence[Box], given: Sequence[Box]) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """A box without a label fits any: not every family writes one."""
    a = [box.label.strip().casefold() for box in right]
    b = [box.label.strip().casefold() for box in given]
    return np.asarray([[not x or not y or x == y for y in b] for x in a])


GROUNDED_ACCURACY = Metric(
    "groundedAccuracy", "Grounded accuracy at IoU 0.5", lower_is_better=False, highest=1.0, count=_count, value=share
)
