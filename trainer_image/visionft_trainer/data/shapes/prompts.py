"""TRL's forms: `prompt` and `completion`, as texts or as lists of messages, with the pictures in `images`; also
`messages` and `images`."""

from __future__ import annotations

from typing import Any

from visionft_trainer.data.prompts import templates_of
from visionft_trainer.data.rows import BadRowError, Row
from visionft_trainer.data.shapes.base import Context
from visionft_trainer.data.shapes.fields import answer, find, need, object_of, pictures, prompt
from visionft_trainer.data.shapes.messages import IMAGE_COLUMNS, chat
from visionft_trainer.data.shapes.turns import exchange, system_of
from visionft_trainer.errors import BadConfigError

COMPLETION_COLUMNS = ("completion",)
PROMPT_COLUMNS = ("prompt",)


def parse_prompts(value: Any, context: Context) -> Row:
    """A row in one of TRL's forms. Texts with pictures: the pictures come first. Raises `BadRowError`."""
    row = object_of(value, context)
    if "messages" in row and "completion" not in row:
        return chat(row, [("messages", row["messages"])], context)
    completion = need(row, "answer", COMPLETION_COLUMNS, "the answer", context)
    asked = find(row, "prompt", PROMPT_COLUMNS, context)
    if not _is_chat(completion.value):
        if asked is not None and _is_chat(asked.value):
            raise BadRowError(
                completion.name,
                f"is a text while {asked.name} is a list of messages; write both as texts or both as lists",
            )
        images = pictures(row, context, IMAGE_COLUMNS)
        return exchange(images, prompt(row, context), answer(completion), context, system_of(row))
    if templates_of(context.dataset):
        raise BadConfigError(
            "spec.dataset.promptTemplate: the rows' prompts are lists of messages, which a template cannot replace; "
            "remove it."
        )
    asked = need(row, "prompt", PROMPT_COLUMNS, "the question", context)
    return chat(row, [(asked.name, asked.value), (completion.name, completion.value)], context)


def _is_chat(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)
