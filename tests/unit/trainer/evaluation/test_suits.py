"""A metric that cannot tell a good answer to such rows is told, and no other."""

from __future__ import annotations

import pytest
from visionft_api.metrics import METRICS
from visionft_trainer.data.rows import Message, Row, Text, Where
from visionft_trainer.evaluation.suits import unsuitable


def rows(*answers: str) -> list[Row]:
    return [
        Row(Where("v.jsonl", number), (Message("user", (Text("?"),)), Message("assistant", (Text(answer),))))
        for number, answer in enumerate(answers, start=1)
    ]


def told(metric: str, *answers: str) -> list[str]:
    return [
        warning.message for warning in unsuitable([metric], rows(*answers), "spec.evaluation.metrics", "validation")
    ]


@pytest.mark.parametrize(
    ("metric", "answers"),
    [
        ("fieldF1", ("5033", "Paris", "12.50")),
        ("ntedAccuracy", ("5033", "Paris", "12.50")),
        ("fieldF1", ('{"total": 3}', "Paris", "Rome")),
        ("groundedAccuracy", ("a", "b")),
        ("multipleChoice", ("5033", "a long sentence about a picture")),
        ("ciderD", ("a cat on a mat",)),
        ("ciderD", ("a cat on a mat", "a cat on a mat")),
        ("bleu", ("cat", "dog")),
    ],
)
def test_a_metric_that_calls_right_answers_wrong(metric: str, answers: tuple[str, ...]) -> None:
    (message,) = told(metric, *answers)
    assert message.startswith(f"spec.evaluation.metrics: {metric} ")
    assert "validation rows" in message
    assert "v.jsonl row " in message


@pytest.mark.parametrize(
    ("metric", "answers"),
    [
        ("fieldF1", ('{"total": 3}', '{"total": "4"}', "Paris")),
        ("ntedAccuracy", ("<s_total>3</s_total>", '{"items": [{"name": "tea"}]}')),
        ("multipleChoice", ("Paris", "B. Rome")),
        ("ciderD", ("a cat on a mat", "two dogs run in the snow")),
        ("bleu", ("a cat on a mat", "dog")),
        *((name, ("5033", "Paris")) for name in ("cer", "wer", "anls", "exactMatch", "relaxedAccuracy", "rougeL")),
    ],
)
def test_a_metric_that_suits(metric: str, answers: tuple[str, ...]) -> None:
    assert told(metric, *answers) == []


@pytest.mark.parametrize("metric", ["fieldF1", "ntedAccuracy"])
@pytest.mark.parametrize(
    ("answer", "shown", "why"),
    [
        ('{"total": 3', """'{"total": 3'""", "Expecting ',' delimiter, character 12"),
        ("{'total': 3}", "{'total': 3}", "Expecting property name enclosed in double quotes, character 2"),
        ("```json\n[1 2]\n```", "[1 2]", "Expecting ',' delimiter, character 4"),
        ("[" * 100 + "]" * 100, "[[[", "more than 64 levels"),
        ("[" + "9" * 5000 + "]", "[999", "a number too long"),
    ],
)
def test_one_answer_that_is_broken_json_is_told_with_its_place(metric: str, answer: str, shown: str, why: str) -> None:
    (message,) = told(metric, '{"total": 3}', answer, '{"total": 4}')
    assert "the answers of 1 of 3 validation rows begin as JSON but are none" in message
    assert "v.jsonl row 2 has " in message
    assert shown in message
    assert why in message
    assert message.endswith("Mend them.")


def test_answers_without_fields_are_told_with_what_to_write() -> None:
    (message,) = told("fieldF1", "Paris", "Rome")
    assert message == (
        "spec.evaluation.metrics: fieldF1 compares fields of JSON, and the answers of 2 of 2 validation rows have "
        "none; v.jsonl row 1 has 'Paris'. Choose another metric: docs/metrics.md. Or write answers such as "
        '{"total": "12.50"}.'
    )


def test_long_answers_are_cut_and_odd_ones_escaped() -> None:
    (message,) = told("fieldF1", "\x1b[2J" + "x" * 100_000)
    assert len(message) < 400
    assert "\\x1b[2J" in message


def test_every_metric_can_be_asked_about_empty_looking_rows() -> None:
    for name in METRICS:
        told(name, " ", "{}")
