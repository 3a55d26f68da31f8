"""Whose pictures a row is shown."""

import pytest
from visionft_trainer.evaluation.exchange import exchange


@pytest.mark.parametrize("seed", range(20))
def test_every_row_gets_the_pictures_of_another_one(seed: int) -> None:
    rows = [[f"picture {index}"] for index in range(9)]
    givers = exchange(rows, seed)
    assert sorted(givers) == sorted(givers.values()) == list(range(9))
    assert all(row != giver for row, giver in givers.items())
    assert givers == exchange(rows, seed)


@pytest.mark.parametrize("seed", range(20))
def test_rows_of_one_picture_do_not_give_it_to_each_other(seed: int) -> None:
    """Several questions are often asked about one picture."""
    rows = [["a"], ["a"], ["a"], ["b"], ["c"], ["d"]]
    givers = exchange(rows, seed)
    assert len(givers) == 6
    assert all(rows[row] != rows[giver] for row, giver in givers.items())


@pytest.mark.parametrize("seed", range(10))
def test_rows_with_as_many_pictures_exchange_them(seed: int) -> None:
    rows = [["a", "b"], ["c"], [], ["d", "e"], ["f"], ["g", "h", "i"], ["a", "j"]]
    givers = exchange(rows, seed)
    assert set(givers) <= {0, 1, 3, 4, 6}
    assert {givers[1], givers[4]} == {1, 4}
    for row, giver in givers.items():
        assert all(own != other for own, other in zip(rows[row], rows[giver], strict=True))


def test_a_row_that_nobody_fits_is_left_out() -> None:
    assert exchange([["a"]], 0) == {}
    assert exchange([["a"], ["a"], ["a"]], 0) == {}
    assert exchange([], 0) == {}
