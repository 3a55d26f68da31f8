"""Plain columns: the question is made by a template, the answer is a column."""

from __future__ import annotations

from typing import Any

from visionft_trainer.data.rows import Row
from visionft_trainer.data.shapes.base import Context
from visionft_trainer.data.shapes.fields import answer, need, object_of, pictures, prompt
from visionft_trainer.data.shapes.turns import exchange

ANSWER_COLUMNS = ("answer", "completion", "response", "output", "text", "label", "caption", "txt", "cls")


def parse_columns(value: Any, context: Context) -> Row:
    """A row of plain columns through `spec.dataset.promptTemplate`; it may be without a picture. Raises
    `BadRowError`."""
    row = object_of(value, context)
    text = answer(need(row, "answer", ANSWER_COLUMNS, "the answer", context))
    return exchange(pictures(row, context), prompt(row, context), text, context)
