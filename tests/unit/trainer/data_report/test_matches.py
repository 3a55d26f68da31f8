"""Near records are found exactly as by comparing each with each."""

import numpy as np
import pytest
from visionft_trainer.data.report import matches
from visionft_trainer.data.report.matches import NONE, equal_to_earlier, near_earlier
from visionft_trainer.data.report.perceptual_hash import NEAR_COARSE_BITS


def hashes(count: int, seed: int) -> np.ndarray:
    """Copies of a few hashes with up to seven bits flipped."""
    random = np.random.default_rng(seed)
    found = random.integers(0, 2**63, 40, dtype=np.uint64)[random.integers(0, 40, count)]
    for _ in range(7):
        bit = np.uint64(1) << random.integers(0, 64, count).astype(np.uint64)
        found = found ^ np.where(random.random(count) < 0.5, bit, np.uint64(0))
    return found


@pytest.mark.parametrize("part", [2**17, 60])
def test_near_ones_are_those_that_comparing_all_finds(monkeypatch: pytest.MonkeyPatch, part: int) -> None:
    monkeypatch.setattr(matches, "PART_RECORDS", part)
    random = np.random.default_rng(1)
    coarse, group = hashes(400, seed=2), random.integers(0, 2, 400).astype(np.uint64)
    asked, offered = random.random(400) < 0.7, random.random(400) < 0.7

    def near(mine: np.ndarray, theirs: np.ndarray) -> np.ndarray:
        return (np.bitwise_count(coarse[mine] ^ coarse[theirs]) <= NEAR_COARSE_BITS) & (group[mine] == group[theirs])

    found = near_earlier(coarse, group, near, asked, offered)
    everything = np.arange(400)
    for position in everything:
        before = everything[:position]
        wanted = asked[position] and (near(np.full(position, position), before) & offered[:position]).any()
        assert (found[position] != NONE) == wanted
        if wanted:
            assert found[position] < position
            assert offered[found[position]]
            assert near(np.array([position]), np.array([found[position]]))[0]
    assert (found != NONE).sum() > 50


@pytest.mark.parametrize("part", [2**17, 60])
def test_equal_ones_name_the_first(monkeypatch: pytest.MonkeyPatch, part: int) -> None:
    monkeypatch.setattr(matches, "PART_RECORDS", part)
    random = np.random.default_rng(0)
    digests = np.stack([random.integers(0, 20, 300), random.integers(0, 3, 300)], axis=1).astype(np.uint64)
    first: dict[tuple[int, int], int] = {}
    for position, (found, digest) in enumerate(zip(equal_to_earlier(digests), digests.tolist(), strict=True)):
        assert found == first.get(tuple(digest), NONE)
        first.setdefault(tuple(digest), position)


def test_many_of_one_look_are_not_compared_with_each_other() -> None:
    count, calls = 20_000, []
    same = np.zeros(count, dtype=np.uint64)

    def never(mine: np.ndarray, theirs: np.ndarray) -> np.ndarray:
        calls.append(len(mine))
        return np.zeros(len(mine), dtype=bool)

    everything = np.ones(count, dtype=bool)
    assert (near_earlier(same, same, never, everything, everything) == NONE).all()
    assert sum(calls) <= 15 * count * matches.MAX_LOOKS
