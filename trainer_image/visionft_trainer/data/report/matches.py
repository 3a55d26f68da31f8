"""Which records of a data set are equal or near an earlier one, without comparing each with each.

Equal ones meet by sorting. Near ones meet as in M. Norouzi et al., "Fast search in Hamming space with multi-index
hashing" (2012) and G. Manku et al., "Detecting near-duplicates for web crawling" (2007): the 64 bits of a hash are cut
into `BLOCKS` blocks; two hashes that differ in at most `NEAR_COARSE_BITS` bits agree in all bits of some
`BLOCKS - NEAR_COARSE_BITS` blocks, so that sorting by each such choice brings them together. The outcome is exact. Bits
that are the same in nearly all pictures tell nothing: they are dealt evenly over the blocks.

Where thousands of pictures share a coarse hash and yet differ (one form, filled in by many hands), a record is compared
with the `MAX_LOOKS` before it and not with all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import numpy as np

from visionft_trainer.data.report.perceptual_hash import COARSE_BITS, NEAR_COARSE_BITS, Words

Positions = np.ndarray[Any, np.dtype[np.int64]]
Chosen = np.ndarray[Any, np.dtype[np.bool_]]

NONE = -1  # no earlier record
BLOCKS = 6
PART_RECORDS = 2**17  # sorted in memory at a time; records are told apart by their key into such parts
SAMPLE = 4096  # hashes from which the bits' spread is seen
MAX_LOOKS = 512  # earlier records of one key that a record is compared with
MIXER = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio: spreads keys evenly over 64 bits


def equal_to_earlier(digests: Words) -> Positions:
    """For each of `[N, 2]` digests the position of the first one that equals it, or `NONE` where it is the first."""
    found = np.full(len(digests), NONE, dtype=np.int64)
    for part in _parts(digests[:, 0]):
        high, low = digests[part, 0], digests[part, 1]
        order = np.lexsort((part, low, high))
        high, low, part = high[order], low[order], part[order]
        first = np.ones(len(part), dtype=bool)
        first[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
        leaders = part[first][np.cumsum(first) - 1]
        found[part[~first]] = leaders[~first]
    return found


def near_earlier(
    coarse: Words,
    group: Words,
    near: Callable[[Positions, Positions], Chosen],
    asked: Chosen,
    offered: Chosen,
) -> Positions:
    """For each record of `asked` the position of a record of `offered` before it that is near, or `NONE`.

    Args:
        coarse: `[N]` hashes of 64 bits; records more than `NEAR_COARSE_BITS` apart are not near.
        group: `[N]`; only records of the same group are compared.
        near: which of `[M]` pairs of positions are near in every respect.
        asked: `[N]`, the records whose match is sought.
        offered: `[N]`, those that may be the match.
    """
    found = np.full(len(coarse), NONE, dtype=np.int64)
    taken = np.flatnonzero(asked | offered)
    for mask in _masks(coarse[taken]):
        key = ((coarse & mask) * MIXER) ^ group
        for part in _parts(key, taken):
            _match(part, key[part], near, asked, offered, found)
    return found


def _match(
    part: Positions,
    key: Words,
    near: Callable[[Positions, Positions], Chosen],
    asked: Chosen,
    offered: Chosen,
    found: Positions,
) -> None:
    """Look back from each asked record over the offered ones of the same key, nearest first, until one is near."""
    order = np.lexsort((part, key))
    key, part = key[order], part[order]
    begins = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
    sizes = np.diff(np.append(begins, len(part)))
    lowest = np.repeat(begins, sizes)
    candidates = np.flatnonzero(offered[part])  # positions in `part`, rising
    before = np.searchsorted(candidates, np.arange(len(part)))  # offered records before each
    floor = np.searchsorted(candidates, lowest)  # those before its key begins
    seeking = np.flatnonzero(asked[part] & (found[part] == NONE) & (before > floor))
    step = 1
    while len(seeking) and step <= MAX_LOOKS:
        mine, theirs = part[seeking], part[candidates[before[seeking] - step]]
        hit = near(mine, theirs)
        found[mine[hit]] = theirs[hit]
        step += 1
        seeking = seeking[~hit]
        seeking = seeking[before[seeking] - step >= floor[seeking]]


def _masks(coarse: Words) -> Iterator[np.uint64]:
    """Choices of bits, one of which any two near hashes share."""
    sample = coarse[:: max(1, len(coarse) // SAMPLE)]
    ones = np.array([np.count_nonzero(sample & _bit(bit)) for bit in range(COARSE_BITS)]) / max(1, len(sample))
    telling = np.argsort(-np.minimum(ones, 1 - ones), kind="stable")
    blocks = [int(sum(1 << int(bit) for bit in telling[block::BLOCKS])) for block in range(BLOCKS)]
    for choice in combinations(blocks, BLOCKS - NEAR_COARSE_BITS):
        yield np.uint64(sum(choice))


def _bit(position: int) -> np.uint64:
    return np.uint64(1 << position)


def _parts(key: Words, positions: Positions | None = None) -> Iterator[Positions]:
    """Positions, all of one key in the same part, about `PART_RECORDS` in each."""
    positions = np.arange(len(key)) if positions is None else positions
    parts = -(-len(positions) // PART_RECORDS)
    if parts <= 1:
        yield positions
        return
    number = (key[positions] * MIXER >> np.uint64(32)) % np.uint64(parts)
    for part in range(parts):
        yield positions[number == part]
