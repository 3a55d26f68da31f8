"""Which rows share a sequence: `spec.training.packing`. How they are kept apart in it is `collate.packed_batch`'s."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from visionft_api.spec import TrainingSpec

from visionft_trainer.errors import BadConfigError
from visionft_trainer.families import Family

Lengths = np.ndarray[Any, np.dtype[np.int32]]


@dataclass(frozen=True)
class Packs(Sequence[tuple[int, ...]]):
    """The rows of each pack; twelve bytes a row at most."""

    rows: np.ndarray[Any, np.dtype[np.int32]]
    """Every row once, pack after pack."""
    starts: np.ndarray[Any, np.dtype[np.int32]]
    """Where each pack begins in `rows`, and the end of the last one."""
    lengths: Lengths
    """Tokens of each pack."""

    def __len__(self) -> int:
        return len(self.lengths)

    @overload
    def __getitem__(self, index: int) -> tuple[int, ...]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[tuple[int, ...]]: ...
    def __getitem__(self, index: int | slice) -> tuple[int, ...] | Sequence[tuple[int, ...]]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = range(len(self))[index]
        return tuple(int(row) for row in self.rows[self.starts[number] : self.starts[number + 1]])


def pack(lengths: Lengths, budget: int) -> Packs:
    """Put rows of these lengths (tokens) into few packs of at most `budget` tokens; no row is ever cut.

    Best fit decreasing: the longest row first, each into the fullest pack that still takes it, which needs at most 11/9
    of the fewest possible packs and one more (Johnson, 1973). The same lengths give the same packs.

    Raises:
        ValueError: a row is longer than `budget`.
    """
    if len(lengths) and int(lengths.max()) > budget:
        raise ValueError(f"row {int(lengths.argmax())} has {int(lengths.max())} tokens, more than {budget}")
    pack_of = np.zeros(len(lengths), dtype=np.int32)
    packs = 0
    rooms: list[int] = []  # tokens left in packs that are not full, each number once, ascending
    open_packs: dict[int, list[int]] = {}  # the packs with that many tokens left
    longest_first = np.argsort(-lengths, kind="stable")
    for row in longest_first:
        length = int(lengths[row])
        place = bisect_left(rooms, length)
        if place == len(rooms):
            number, room = packs, budget
            packs += 1
        else:
            room = rooms[place]
            number = open_packs[room].pop()
            if not open_packs[room]:
                del open_packs[room]
                rooms.pop(place)
        pack_of[row] = number
        left = room - length
        if left == 0:
            continue
        if left not in open_packs:
            insort(rooms, left)
            open_packs[left] = []
        open_packs[left].append(number)
    counts = np.bincount(pack_of, minlength=packs)
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    rows = np.argsort(pack_of, kind="stable").astype(np.int32)
    tokens = np.bincount(pack_of, weights=lengths, minlength=packs).astype(np.int32)
    return Packs(rows, starts, tokens)


def check(training: TrainingSpec, family: Family) -> None:
    """Raises `BadConfigError` when rows are to be packed for a family whose rows cannot be kept apart."""
    if training.packing and not family.packs:
        raise BadConfigError(
            f"spec.training.packing: true; rows of {family.name} cannot share a sequence: {family.unpacked_because}. "
            "Set it to false; spec.training.groupByLength pads little as well."
        )
