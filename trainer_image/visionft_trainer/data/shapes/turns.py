"""Conversations: the order of their turns, and their system message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from visionft_trainer.data.rows import BadRowError, Message, Part, Picture, Row, Text
from visionft_trainer.data.shapes.base import Context
from visionft_trainer.data.shapes.image_tokens import TOKEN, filled, has_tokens
from visionft_trainer.data.values import check_characters, kind_of

SYSTEM_COLUMN = "system"


@dataclass(frozen=True)
class Names:
    """How errors call a conversation's column and the keys of its turns."""

    column: str = "messages"
    role: str = "role"
    text: str = "content"


def system_of(row: Mapping[str, Any]) -> str | None:
    """The system prompt in the row's own column, where ShareGPT and ms-swift write it; None where that is empty.

    Raises `BadRowError`.
    """
    value = row.get(SYSTEM_COLUMN)
    if value is None:
        return None
    if not isinstance(value, str):
        raise BadRowError(SYSTEM_COLUMN, f"is {kind_of(value)}; write the system prompt as a text")
    check_characters(value, SYSTEM_COLUMN)
    return value if value.strip() else None


def conversation(messages: Sequence[Message], context: Context, names: Names, system: str | None = None) -> Row:
    """A row of `messages`. Before those without a system message `system` is put, which is the row's own, else
    `spec.dataset.systemPrompt`.

    Raises `BadRowError`, which uses `names`.
    """
    for index, message in enumerate(messages):
        _check_message(message, f"{names.column}[{index}].{names.text}")
    _check_order(messages, names.column, names.role)
    if messages[0].role == "system":
        if system is not None and system != messages[0].text:
            raise BadRowError(
                SYSTEM_COLUMN,
                f"is another system prompt than {names.column}[0], which is one too; keep the one that is meant",
            )
    else:
        system = context.dataset.system_prompt if system is None else system
        if system is not None:
            messages = (Message("system", (Text(system),)), *messages)
    return Row(context.where, tuple(messages))


def exchange(
    pictures: Sequence[Picture], question: Text, answer: Part, context: Context, system: str | None = None
) -> Row:
    """A row of one question and its answer. Pictures stand where `<image>` stands in the question, else before it.
    `system` as in `conversation`.

    Raises `BadRowError`.
    """
    asked = [Message("user", (question,))]
    if pictures and question.others and any(TOKEN in text for text in (question.text, *question.others)):
        raise BadRowError("", f"the question holds {TOKEN} and has several wordings; take it out: pictures come first")
    if pictures and has_tokens(asked):
        asked = filled(asked, pictures, "question")
    else:
        asked = [Message("user", (*pictures, question))]
    return conversation((*asked, Message("assistant", (answer,))), context, Names(), system)


def _check_message(message: Message, field: str) -> None:
    if message.role != "user" and any(isinstance(part, Picture) for part in message.parts):
        raise BadRowError(field, f"the {message.role} message holds an image; put it into a user message")
    if message.role == "assistant" and all(isinstance(part, Text) and not part.text.strip() for part in message.parts):
        raise BadRowError(field, "the answer is empty; write the text that the model is to learn")


def _check_order(messages: Sequence[Message], column: str, role: str) -> None:
    for index, message in enumerate(messages):
        if message.role == "system" and index > 0:
            raise BadRowError(
                f"{column}[{index}].{role}", "a system message can only be the first one; move it to the start"
            )
    turns = [message for message in messages if message.role != "system"]
    if not turns or turns[0].role != "user":
        raise BadRowError(
            column, "the conversation starts with a user message (after an optional system message); write one there"
        )
    offset = len(messages) - len(turns)
    for index, (before, after) in enumerate(pairwise(turns), start=offset + 1):
        if before.role == after.role:
            raise BadRowError(
                f"{column}[{index}].{role}", f"two {after.role} messages in a row; user and assistant alternate"
            )
    if turns[-1].role != "assistant":
        raise BadRowError(column, "the last message is the user's; add the assistant's answer, it is what is learnt")
