"""Rows that say the same twice, and rows that contradict each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from visionft_trainer.data.report.facts import Facts
from visionft_trainer.data.report.matches import NONE, Chosen, Positions, equal_to_earlier, near_earlier
from visionft_trainer.data.report.perceptual_hash import Words, near


@dataclass(frozen=True)
class Duplicates:
    """For each row of a split the position of an earlier one that it repeats, or `NONE`."""

    exact: Positions
    """The first row with the same pictures and words."""
    near: Positions
    """A row with the same words whose pictures look the same; rows with an exact match have none here."""
    conflicts: Positions
    """The first row with the same pictures and question, but another answer."""


def find_duplicates(facts: Facts) -> Duplicates:
    """Compare the rows of a split with each other."""
    rows = facts.rows
    exact = equal_to_earlier(rows.column("content"))
    return Duplicates(exact, _near_rows(facts, exact), _conflicts(rows.column("question"), rows.column("answer")))


def _near_rows(facts: Facts, exact: Positions) -> Positions:
    counts = rows_with_pictures = np.asarray(facts.rows.column("pictures")).astype(np.int64)
    if not rows_with_pictures.any():
        return np.full(len(exact), NONE, dtype=np.int64)
    first = np.asarray(facts.rows.column("first_picture")).astype(np.int64)
    leading = np.minimum(first, len(facts.pictures) - 1)  # a last row without pictures points behind them all
    visible = (counts > 0) & ~facts.pictures.column("blank")[leading]
    group = np.asarray(facts.rows.column("text"))  # pictures have their places in it: equal texts, equal counts
    coarse = facts.pictures.column("coarse")[leading]
    return near_earlier(coarse, group, _all_near(facts, first, counts, group), visible & (exact == NONE), visible)


def _all_near(
    facts: Facts, first: Positions, counts: Positions, group: Words
) -> Callable[[Positions, Positions], Chosen]:
    """Whether all pictures of two rows of one group are near, one by one."""
    coarse, fine = facts.pictures.column("coarse"), facts.pictures.column("fine")

    def compare(mine: Positions, theirs: Positions) -> Chosen:
        same: Chosen = (group[mine] == group[theirs]) & (counts[mine] == counts[theirs])
        for place in range(int(counts[mine].max())):
            there = np.flatnonzero(same & (counts[mine] > place))
            a, b = first[mine[there]] + place, first[theirs[there]] + place
            same[there] = near(coarse[a], coarse[b], fine[a], fine[b])
        return same

    return compare


def _conflicts(question: Words, answer: Words) -> Positions:
    earlier = equal_to_earlier(np.stack([question, question], axis=1))
    asked = np.flatnonzero(earlier != NONE)
    agreeing = asked[answer[asked] == answer[earlier[asked]]]
    earlier[agreeing] = NONE
    return earlier
