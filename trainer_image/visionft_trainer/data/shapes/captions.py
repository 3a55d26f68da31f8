"""A picture and the text that tells what it shows."""

from __future__ import annotations

from typing import Any

from visionft_trainer.data.rows import Row
from visionft_trainer.data.shapes.base import Context
from visionft_trainer.data.shapes.fields import answer, need, object_of, prompt, some_pictures
from visionft_trainer.data.shapes.turns import exchange

CAPTION_COLUMNS = ("caption", "captions", "text", "texts", "sentence", "sentences", "description", "txt", "cap")
DEFAULT_PROMPT = "Describe the picture."


def parse_captions(value: Any, context: Context) -> Row:
    """A row of a picture and one caption, or several, which are wordings of one answer. Raises `BadRowError`."""
    row = object_of(value, context)
    caption = answer(need(row, "answer", CAPTION_COLUMNS, "the caption", context))
    return exchange(some_pictures(row, context), prompt(row, context, DEFAULT_PROMPT), caption, context)
