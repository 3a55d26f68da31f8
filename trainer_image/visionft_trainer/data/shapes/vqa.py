"""Visual question answering: pictures, a question, and its answer or the answers of several people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from visionft_trainer.data.rows import Row, Text
from visionft_trainer.data.shapes.base import Context
from visionft_trainer.data.shapes.fields import Column, answers, need, object_of, one_answer, pictures, prompt
from visionft_trainer.data.shapes.turns import exchange, system_of

ANSWER_COLUMNS = ("answer", "answers", "multiple_choice_answer", "response", "output", "label")


def parse_vqa(value: Any, context: Context) -> Row:
    """A row of question and answer, with pictures or without. Of several answers the one given most often is learnt,
    and the first of those given equally often; evaluation takes them all as right. Raises `BadRowError`."""
    row = object_of(value, context)
    learnt, *others = by_frequency(need(row, "answer", ANSWER_COLUMNS, "the answer", context))
    asked = exchange(pictures(row, context), prompt(row, context), Text(learnt), context, system_of(row))
    return replace(asked, accepted=tuple(others))


def by_frequency(column: Column) -> list[str]:
    """The different answers in a list of texts, or of VQAv2's `{"answer": ...}`, the most frequent first. Raises
    `BadRowError`."""
    given = []
    for field, value in answers(column):
        if isinstance(value, Mapping) and "answer" in value:
            value, field = value["answer"], f"{field}.answer"
        given.append(one_answer(value, field))
    return [answer for answer, _ in Counter(given).most_common()]  # equal counts keep the order of the list
