"""Which letter an answer chooses, and when it is right."""

import pytest
from visionft_trainer.evaluation.metrics import Case, measure
from visionft_trainer.evaluation.metrics.multiple_choice import chosen_letter


@pytest.mark.parametrize(
    "answer",
    [
        "B",
        "b",
        "(B)",
        "[b]",
        "**B**",
        "B.",
        "B. Paris",
        "B) a cat",
        "(B) Paris",
        "B: A cat",
        "The answer is B",
        "The answer is (B).",
        "the answer is b",
        "Answer: B",
        "The correct answer would be option B.",
        "I choose B because A is too far north",
        "B. Paris. The answer is B.",
    ],
)
def test_one_letter_is_a_choice(answer: str) -> None:
    assert chosen_letter(answer) == "B"


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "A or B",
        "A, B",
        "(A) or (B)",
        "A and B",
        "The answer is A or B",
        "A. London. The answer is B",
        "A cat sits there",
        "a cat",
        "The answer is a cat",
        "I think so",
        "Paris",
        "The answer isn't known",
    ],
)
def test_several_letters_or_none_are_no_choice(answer: str) -> None:
    assert chosen_letter(answer) is None


@pytest.mark.parametrize(
    ("reference", "answer", "right"),
    [
        ("B", "(B) Paris", True),
        ("B. Paris", "B", True),
        ("B. Paris", "Paris", True),
        ("B. Paris", "paris.", True),
        ("Paris", "B. Paris", True),
        ("B", "Ｂ）巴黎", True),  # noqa: RUF001
        ("ب", "ب", True),
        ("B. Paris", "A. Paris", False),  # the letter is the choice
        ("B", "A or B", False),
        ("B", "", False),
        ("Paris", "B", False),
        ("A cat", "A", False),
    ],
)
def test_the_letter_or_the_text_of_the_option_is_right(reference: str, answer: str, right: bool) -> None:
    assert measure(["multipleChoice"], [Case((reference,), answer)]) == {"multipleChoice": float(right)}
