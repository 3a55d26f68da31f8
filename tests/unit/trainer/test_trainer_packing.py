"""Which rows share a sequence: each once, whole, in few packs, the same each time."""

from pathlib import Path

import numpy as np
import pytest
from support.tiny_spec import tiny_spec
from visionft_trainer.errors import BadConfigError
from visionft_trainer.families import FAMILIES, Family
from visionft_trainer.prepare import packing
from visionft_trainer.prepare.packing import pack


def lengths(*numbers: int) -> np.ndarray:
    return np.asarray(numbers, dtype=np.int32)


def test_each_row_is_in_one_pack_and_no_pack_is_over_the_budget() -> None:
    drawn = np.random.default_rng(3).integers(1, 400, 5000).astype(np.int32)
    packs = pack(drawn, 512)
    rows = [row for members in packs for row in members]
    assert sorted(rows) == list(range(5000))
    for members, tokens in zip(packs, packs.lengths, strict=True):
        assert int(drawn[list(members)].sum()) == tokens <= 512
    fewest = -(-int(drawn.sum()) // 512)
    assert len(packs) <= fewest * 1.02


def test_the_fullest_pack_that_fits_is_taken() -> None:
    assert list(pack(lengths(5, 3, 7, 2, 3), 10)) == [(1, 2), (0, 3, 4)]


def test_same_lengths_give_the_same_packs() -> None:
    drawn = np.random.default_rng(4).integers(1, 60, 500).astype(np.int32)
    assert list(pack(drawn, 64)) == list(pack(drawn.copy(), 64))


def test_rows_as_long_as_the_budget_are_alone() -> None:
    assert list(pack(lengths(8, 8, 8), 8)) == [(0,), (1,), (2,)]


def test_a_row_beyond_the_budget_is_not_cut() -> None:
    with pytest.raises(ValueError, match="row 1 has 9 tokens, more than 8"):
        pack(lengths(2, 9), 8)


def test_packs_are_read_like_a_list() -> None:
    packs = pack(lengths(4, 4, 1), 4)
    assert packs[-1] == (2,)
    assert list(packs[:2]) == [(0,), (1,)]
    with pytest.raises(IndexError):
        packs[3]
    assert len(pack(lengths(), 4)) == 0


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_family_whose_rows_cannot_be_kept_apart_is_refused(tmp_path: Path, family: Family) -> None:
    packed = tiny_spec(tmp_path, training={"packing": True}).training
    packing.check(tiny_spec(tmp_path).training, family)
    if family.packs:
        packing.check(packed, family)
        return
    with pytest.raises(BadConfigError) as error:
        packing.check(packed, family)
    assert str(error.value).startswith(f"spec.training.packing: true; rows of {family.name} cannot share a sequence")
    assert family.unpacked_because in str(error.value)
    assert "Set it to false" in str(error.value)
