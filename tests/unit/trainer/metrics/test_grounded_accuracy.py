"""Boxes of a row: which goes with which, and what missing and superfluous ones cost."""

import pytest
from visionft_trainer.data.rows import Box
from visionft_trainer.evaluation.metrics import Case, measure

CAT = Box("cat", 0.1, 0.1, 0.3, 0.3)
DOG = Box("dog", 0.5, 0.5, 0.9, 0.9)


def accuracy(*rows: tuple[tuple[Box, ...], tuple[Box, ...] | None]) -> float:
    cases = [Case(("",), "", boxes, answered) for boxes, answered in rows]
    return measure(["groundedAccuracy"], cases)["groundedAccuracy"]


@pytest.mark.parametrize(
    ("answered", "expected"),
    [
        ((CAT,), 1.0),
        ((Box("cat", 0.1, 0.1, 0.3, 0.2),), 1.0),  # half of it
        ((Box("cat", 0.1, 0.1, 0.3, 0.19),), 0.0),
        ((Box("CAT ", 0.1, 0.1, 0.3, 0.3),), 1.0),
        ((Box("", 0.1, 0.1, 0.3, 0.3),), 1.0),  # a family that writes no labels
        ((Box("dog", 0.1, 0.1, 0.3, 0.3),), 0.0),
        ((Box("cat", 0.3, 0.3, 0.1, 0.1),), 0.0),  # inside out
        ((Box("cat", 0.2, 0.2, 0.2, 0.2),), 0.0),
        ((), 0.0),
        (None, 0.0),
    ],
)
def test_one_box(answered: tuple[Box, ...] | None, expected: float) -> None:
    assert accuracy(((CAT,), answered)) == expected


def test_order_does_not_matter() -> None:
    assert accuracy(((CAT, DOG), (DOG, CAT))) == 1.0


def test_one_box_answers_for_one() -> None:
    assert accuracy(((CAT, CAT), (CAT,))) == 0.5
    assert accuracy(((CAT,), (CAT, CAT))) == 0.5


def test_the_pairing_is_the_best_there_is() -> None:
    """The first answer fits both boxes, the second only the first."""
    wide = Box("", 0.0, 0.0, 0.4, 0.4)
    low, high = Box("", 0.0, 0.0, 0.4, 0.28), Box("", 0.0, 0.12, 0.4, 0.4)
    narrow = Box("", 0.0, 0.0, 0.4, 0.21)
    assert accuracy(((low, high), (wide, narrow))) == 1.0


def test_boxes_count_over_all_rows() -> None:
    assert accuracy(((CAT, DOG), (CAT, DOG)), ((CAT,), None), ((), (DOG,)), ((), None)) == 0.5
