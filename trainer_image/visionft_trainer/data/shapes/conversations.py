"""LLaVA's form, `{"conversations": [{"from", "value"}], "image": ...}`, with `<image>` where a picture goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from visionft_trainer.data.rows import BadRowError, Message, Role, Row
from visionft_trainer.data.shapes.base import Context, text_part
from visionft_trainer.data.shapes.fields import object_of, pictures
from visionft_trainer.data.shapes.image_tokens import TOKEN, filled
from visionft_trainer.data.shapes.recognise import hint
from visionft_trainer.data.shapes.turns import Names, conversation, system_of
from visionft_trainer.data.values import kind_of, names_of, show

COLUMN = "conversations"
IMAGE_COLUMNS = ("image", "images")
SPEAKERS: Mapping[str, Role] = {
    "system": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
}


def parse_conversations(value: Any, context: Context) -> Row:
    """A row in LLaVA's form. Pictures are put where the tokens stand, in their order. Raises `BadRowError`."""
    row = object_of(value, context)
    turns = row.get(COLUMN)
    if turns is None:
        mend = hint(row, context) or "write the conversation as a list of {from, value} objects"
        raise BadRowError(COLUMN, f"is missing; {mend}")
    if not isinstance(turns, list) or not turns:
        raise BadRowError(COLUMN, f"is {kind_of(turns)}; write a list with at least a human's and a gpt's turn")
    said = [_turn(turn, f"{COLUMN}[{index}]") for index, turn in enumerate(turns)]
    images = pictures(row, context, IMAGE_COLUMNS)
    return conversation(filled(said, images, COLUMN), context, Names(COLUMN, "from", "value"), system_of(row))


def _turn(value: Any, field: str) -> Message:
    if not isinstance(value, Mapping):
        raise BadRowError(field, f"is {kind_of(value)}; write an object {{from, value}}")
    if "from" not in value:
        raise BadRowError(f"{field}.from", f"is missing; the turn has {names_of(value)}: write {{from, value}}")
    speaker = value["from"]
    role = SPEAKERS.get(speaker) if isinstance(speaker, str) else None
    if role is None:
        raise BadRowError(f"{field}.from", f"is {show(speaker)}; use one of {', '.join(SPEAKERS)}")
    text = value.get("value")
    if not isinstance(text, str):
        raise BadRowError(f"{field}.value", f"is {kind_of(text)}; write a string")
    if role != "user" and TOKEN in text:
        raise BadRowError(f"{field}.value", f"holds {TOKEN} in a turn of {speaker}; put it into a human's turn")
    return Message(role, (text_part(text, f"{field}.value"),))
