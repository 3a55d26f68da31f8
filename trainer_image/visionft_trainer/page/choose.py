"""Which measured rows the page shows. A pure function: the same answers give the same choice."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from visionft_trainer.page.answers import Answer
from visionft_trainer.page.model import Group

PARTS = 3  # a third of the places each for the most improved, the most worsened, and typical rows


@dataclass(frozen=True)
class Chosen:
    """A row that is shown."""

    answer: Answer
    group: Group
    change: float | None


@dataclass(frozen=True)
class Choice:
    """The rows that are shown, the most improved first, and of how many."""

    rows: list[Chosen]
    improved: int
    worsened: int
    of: int


def choose(answers: Sequence[Answer], metric: str | None, *, lower_is_better: bool, count: int) -> Choice:
    """`count` rows: a third of them the most improved, a third the most worsened, the rest spread over the others.

    Places that neither the improved nor the worsened fill go to typical rows, and the reverse. Where there is no base
    model to compare with, all are typical: spread evenly from the best answered to the worst. Rows that are equal keep
    a random order, so that the file's first rows are not preferred.
    """
    measured = [answer for answer in answers if answer.tuned is not None]
    changes = {
        answer.index: answer.improvement(metric, lower_is_better=lower_is_better) if metric else None
        for answer in measured
    }

    def rank(answer: Answer) -> tuple[float, str]:
        change = changes[answer.index]
        if change is None:
            score = answer.scores.get("tuned", {}).get(metric or "", 0.0)
            change = -score if lower_is_better else score
        return -change, _shuffled(answer)

    ranked = sorted(measured, key=rank)
    improved = sum((changes[answer.index] or 0.0) > 0 for answer in ranked)
    worsened = sum((changes[answer.index] or 0.0) < 0 for answer in ranked)
    best, worst = _places(improved, worsened, min(count, len(ranked)))
    middle = ranked[best : len(ranked) - worst]
    typical = _evenly(middle, min(count, len(ranked)) - best - worst)
    parts: list[tuple[Group, Sequence[Answer]]] = [
        ("improved", ranked[:best]),
        ("typical", typical),
        ("worsened", ranked[len(ranked) - worst :]),
    ]
    rows = [Chosen(answer, group, changes[answer.index]) for group, part in parts for answer in part]
    return Choice(rows, improved, worsened, len(measured))


def _places(improved: int, worsened: int, count: int) -> tuple[int, int]:
    """How many of `count` rows are shown as most improved, and as most worsened."""
    share = -(-count // PARTS)
    worst = min(worsened, share)
    best = min(improved, share, count - worst)
    return best, worst


def _evenly(rows: Sequence[Answer], count: int) -> list[Answer]:
    """`count` of them at even distances, the middles of as many equal parts."""
    return [rows[int((place + 0.5) * len(rows) / count)] for place in range(count)]


def _shuffled(answer: Answer) -> str:
    return hashlib.sha256(f"{answer.file}/{answer.row}/{answer.index}".encode()).hexdigest()
