"""What a verdict's sentence says of the gates, and what it says when they change."""

import pytest
from visionft_api.decimals import short_decimal
from visionft_api.verdict_text import gates_clause, with_gates, without_gates

FIGURES = "Tuning lowered the character error rate from 0.71 to 0.05 on 300 rows"
ONE = ["cer is 0.0612, the gate is cer <= 0.05"]
TWO = [*ONE, "wer is 0.3, the gate is wer <= 0.2"]


@pytest.mark.parametrize(
    ("missed", "clause"),
    [
        ([], "every gate holds"),
        (ONE, f"a gate is not met: {ONE[0]}"),
        (TWO, f"2 gates are not met: {ONE[0]}; {TWO[1]}"),
    ],
)
def test_the_clause_can_be_taken_off_and_put_back(missed: list[str], clause: str) -> None:
    assert gates_clause(missed) == clause
    sentence = with_gates(f"{FIGURES}.", missed)
    assert sentence == f"{FIGURES}; {clause}."
    assert without_gates(sentence) == f"{FIGURES}."
    assert with_gates(sentence, ONE) == f"{FIGURES}; a gate is not met: {ONE[0]}."


def test_a_sentence_that_says_nothing_of_gates_stays() -> None:
    sentence = f'{FIGURES}, but prompt 2 ("Do; every gate.") does as well without training.'
    assert without_gates(sentence) == sentence


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.0, "0.00"), (0.7103, "0.71"), (-0.669, "-0.67"), (0.0041, "0.0041"), (1.5, "1.50"), (-0.00052, "-0.00052")],
)
def test_figures_for_people(number: float, text: str) -> None:
    assert short_decimal(number) == text
