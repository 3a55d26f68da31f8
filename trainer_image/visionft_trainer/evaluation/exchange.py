"""Which other row's pictures a row is shown, to see whether its answer depends on them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import groupby

import numpy as np

STREAM = 0x4445_5241  # tells these random numbers from others that the seed gives


def exchange(pictures: Sequence[Sequence[Hashable]], seed: int) -> dict[int, int]:
    """For each row another one with as many pictures, none of which stands where the row's own one does.

    `pictures` are what tells the pictures of each row from others. Within rows of as many pictures nobody gives twice.
    Rows without pictures, and those that nobody fits, are left out.
    """
    random = np.random.default_rng((seed, STREAM))
    givers: dict[int, int] = {}
    order = sorted((index for index, own in enumerate(pictures) if own), key=lambda index: len(pictures[index]))
    for _, group in groupby(order, key=lambda index: len(pictures[index])):
        givers |= _within(list(group), pictures, random)
    return givers


def _within(rows: list[int], pictures: Sequence[Sequence[Hashable]], random: np.random.Generator) -> dict[int, int]:
    """A shuffle of `rows`, mended by swaps where a row would get one of its own pictures back."""

    def clash(row: int, giver: int) -> bool:
        return any(own == other for own, other in zip(pictures[row], pictures[giver], strict=True))

    givers = [rows[index] for index in random.permutation(len(rows))]
    for here, row in enumerate(rows):
        if not clash(row, givers[here]):
            continue
        for there in random.permutation(len(rows)):
            if not clash(row, givers[there]) and not clash(rows[there], givers[here]):
                givers[here], givers[there] = givers[there], givers[here]
                break
    return {row: giver for row, giver in zip(rows, givers, strict=True) if not clash(row, giver)}
