"""Answers that are documents: how they are read, and what is right of them."""

import json

import pytest
from visionft_trainer.evaluation.metrics import Case, measure

RECEIPT = json.dumps({"menu": [{"nm": "latte", "cnt": "2"}, {"nm": "tea", "cnt": "1"}], "total": "9.50"})


def scores(reference: str, answer: str) -> tuple[float, float]:
    found = measure(["fieldF1", "ntedAccuracy"], [Case((reference,), answer)])
    return found["fieldF1"], found["ntedAccuracy"]


@pytest.mark.parametrize(
    "answer",
    [
        RECEIPT,
        json.dumps(json.loads(RECEIPT), indent=4),
        f"```json\n{RECEIPT}\n```",
        '{"total": 9.50, "menu": [{"cnt": 2, "nm": "latte"}, {"cnt": 1, "nm": "tea"}], "note": null}'.replace(
            "9.50", '"9.50"'
        ),
        "<s_total>9.50</s_total><s_menu><s_nm>latte</s_nm><s_cnt>2</s_cnt><sep/><s_nm>tea</s_nm><s_cnt>1</s_cnt></s_menu>",
    ],
)
def test_the_same_document_in_another_form_is_right(answer: str) -> None:
    assert scores(RECEIPT, answer) == (1.0, 1.0)


@pytest.mark.parametrize(
    "answer", ["", "latte 2, tea 1", RECEIPT[:-1], f"Here: {RECEIPT}", "[" * 100_000, '{"a":' * 200 + "1" + "}" * 200]
)
def test_what_is_no_document_scores_nothing(answer: str) -> None:
    assert scores(RECEIPT, answer) == (0.0, 0.0)


def test_a_misread_value_costs_its_field_and_its_characters() -> None:
    f1, nted = scores(RECEIPT, RECEIPT.replace("latte", "lotte"))
    assert f1 == pytest.approx(4 / 5)  # of five fields on either side, four are right
    size = 1 + 2 + 4 + 1 + len("latte") + len("tea") + 2 + len("9.50")  # keys and objects, and values
    assert nted == pytest.approx(1 - 1 / size)


def test_of_nothing_nothing_is_right() -> None:
    assert scores("{}", "")[1] == 1.0
    assert scores("{}", '{"a": "b"}') == (0.0, 0.0)


def test_fields_count_over_all_rows() -> None:
    """One of two fields, then eight of eight: nine right, one missing, one too much."""
    big = json.dumps({str(index): "x" for index in range(8)})
    cases = [Case(('{"a": "1", "b": "2"}',), '{"a": "1", "b": "3"}'), Case((big,), big)]
    assert measure(["fieldF1"], cases)["fieldF1"] == pytest.approx(9 / 10)
