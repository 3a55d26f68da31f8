"""Error rates and exact match: over the corpus, and what counts as an edit."""

import pytest
from visionft_trainer.evaluation.metrics import Case
from visionft_trainer.evaluation.metrics import measure as measure_cases


def measure(names: list[str], references: list[str], answers: list[str]) -> dict[str, float]:
    return measure_cases(
        names, [Case((reference,), answer) for reference, answer in zip(references, answers, strict=True)]
    )


def test_error_rates_are_over_the_corpus() -> None:
    """One wrong character of ten, not the mean of 1/1 and 0/9."""
    measured = measure(["cer", "wer", "exactMatch"], ["1", "123456789"], ["2", "123456789"])
    assert measured == {"cer": pytest.approx(0.1), "wer": pytest.approx(0.5), "exactMatch": 0.5}


def test_kinds_of_edits() -> None:
    assert measure(["cer"], ["abcd"], ["abXcd"]) == {"cer": 0.25}  # insertion
    assert measure(["cer"], ["abcd"], ["acd"]) == {"cer": 0.25}  # deletion
    assert measure(["cer"], ["ab"], ["xyz ab"])["cer"] > 1
    assert measure(["cer", "wer", "exactMatch"], ["ab cd"], [""]) == {"cer": 1.0, "wer": 1.0, "exactMatch": 0.0}
    assert measure(["wer"], ["the cat sat"], ["the dog sat down"]) == {"wer": pytest.approx(2 / 3)}


def test_white_space_around_an_answer_does_not_count() -> None:
    assert measure(["cer", "exactMatch"], ["42\n"], [" 42"]) == {"cer": 0.0, "exactMatch": 1.0}


def test_the_reference_with_the_lowest_rate_counts() -> None:
    measured = measure_cases(["cer", "exactMatch"], [Case(("abcdefghij", "abc"), "abc")])
    assert measured == {"cer": 0.0, "exactMatch": 1.0}


def test_a_row_without_text_is_right_when_nothing_is_written() -> None:
    assert measure(["cer", "wer", "exactMatch"], [""], [""]) == {"cer": 0.0, "wer": 0.0, "exactMatch": 1.0}
