"""LLaVA's form, `{"conversations": [{"from", "value"}], "image": ...}`, with `<image>` where a picture goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from visionft_trainer.data.rows import BadRowError, Message, Part, Role, Row
from visionft_trainer.data.shapes.base import Context, text_part
from visionft_trainer.data.shapes.fields import object_of, pictures
from visionft_trainer.data.shapes.recognise import hint
from visionft_trainer.data.shapes.turns import Names, conversation
from visionft_trainer.data.values import kind_of, show

COLUMN = "conversations"
TOKEN = "<image>"  # noqa: S105 - no password
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
    tokens = sum(text.count(TOKEN) for _, text in said)
    if tokens != len(images):
        raise BadRowError(
            COLUMN,
            f"{tokens} {TOKEN} tokens for {len(images)} pictures; write one where each picture of the row goes",
        )
    waiting = iter(images)
    messages = []
    for index, (role, text) in enumerate(said):
        parts: list[Part] = []
        for piece in _pieces(text):
            parts.append(next(waiting) if piece is None else text_part(piece, f"{COLUMN}[{index}].value"))
        messages.append(Message(role, tuple(parts)))
    return conversation(messages, context, Names(COLUMN, "from", "value"))


def _pieces(text: str) -> list[str | None]:
    """`text` cut at its tokens, each of which is a None. The line break that LLaVA puts beside a token goes with it."""
    before, *after = text.split(TOKEN)
    pieces: list[str | None] = [before.removesuffix("\n") if after else before]
    for index, piece in enumerate(after):
        piece = piece.removeprefix("\n")
        pieces += [None, piece if index == len(after) - 1 else piece.removesuffix("\n")]
    kept = [piece for piece in pieces if piece != ""]
    return kept or [""]


def _turn(value: Any, field: str) -> tuple[Role, str]:
    if not isinstance(value, Mapping):
        raise BadRowError(field, f"is {kind_of(value)}; write an object {{from, value}}")
    speaker = value.get("from")
    role = SPEAKERS.get(speaker) if isinstance(speaker, str) else None
    if role is None:
        raise BadRowError(f"{field}.from", f"is {show(speaker)}; use one of {', '.join(SPEAKERS)}")
    text = value.get("value")
    if not isinstance(text, str):
        raise BadRowError(f"{field}.value", f"is {kind_of(text)}; write a string")
    if role != "user" and TOKEN in text:
        raise BadRowError(f"{field}.value", f"holds {TOKEN} in a turn of {speaker}; put it into a human's turn")
    return role, text
