"""OpenAI's chat form, `{"messages": [{"role", "content"}]}`, and what TRL and the hub make of it: pictures in an
`images` column that `{"type": "image"}` parts are filled from in their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from visionft_trainer.data.rows import BadRowError, Message, Part, Picture, Row
from visionft_trainer.data.shapes.base import Context, picture_part, text_part
from visionft_trainer.data.shapes.fields import pictures
from visionft_trainer.data.shapes.image_tokens import filled, has_tokens
from visionft_trainer.data.shapes.recognise import hint
from visionft_trainer.data.shapes.turns import Names, conversation, system_of
from visionft_trainer.data.values import kind_of, names_of, show

ROLES = ("system", "user", "assistant")
COLUMN = "messages"
IMAGE_COLUMNS = ("images", "image")
PICTURE_KEYS = ("image", "url", "path")  # of an image part that holds its picture itself


class _Slot:
    """A place for the next picture of the images column."""


def parse_messages(value: Any, context: Context) -> Row:
    """A row in OpenAI's chat form, `{"messages": [{"role", "content"}]}`; image files lie below `context.folder`.

    Raises `BadRowError`.
    """
    if not isinstance(value, Mapping):
        raise BadRowError("", f'the row is {kind_of(value)}; write an object {{"messages": [...]}}')
    if COLUMN not in value:
        mend = hint(value, context) or (
            f"the row has {names_of(value)}: write the conversation as a list of {{role, content}} objects"
        )
        raise BadRowError(COLUMN, f"is missing; {mend}")
    return chat(value, [(COLUMN, value[COLUMN])], context)


def chat(row: Mapping[str, Any], columns: Sequence[tuple[str, Any]], context: Context) -> Row:
    """The conversation that the lists of messages in `columns` make together. Raises `BadRowError`."""
    messages: list[tuple[str, tuple[Part | _Slot, ...]]] = []
    for column, value in columns:
        if not isinstance(value, list) or not value:
            raise BadRowError(
                column, f"is {kind_of(value)}; write a list with at least a user and an assistant message"
            )
        messages += (_message(message, f"{column}[{index}]", context) for index, message in enumerate(value))
    filled_in = _filled(messages, pictures(row, context, IMAGE_COLUMNS))
    return conversation(filled_in, context, Names(columns[0][0]), system_of(row))


def _filled(messages: list[tuple[str, tuple[Part | _Slot, ...]]], images: Sequence[Picture]) -> list[Message]:
    """Pictures put where their slots are. Where there is no slot at all: where `<image>` stands in the words, else
    before the first user message's. Raises `BadRowError`."""
    slots = sum(isinstance(part, _Slot) for _, parts in messages for part in parts)
    if images and not slots:
        if any(isinstance(part, Picture) for _, parts in messages for part in parts):
            raise BadRowError(
                "images",
                f"{len(images)} pictures beside those that the messages' parts name themselves; name each picture once",
            )
        plain = [Message(role, parts) for role, parts in messages]  # type: ignore[arg-type]
        return filled(plain, images, "images") if has_tokens(plain) else _before_words(plain, images)
    if slots != len(images):
        raise BadRowError(
            "images", f"{len(images)} pictures for {slots} parts of type image; give each part its picture"
        )
    waiting = iter(images)
    return [
        Message(role, tuple(next(waiting) if isinstance(part, _Slot) else part for part in parts))  # type: ignore[arg-type]
        for role, parts in messages
    ]


def _before_words(messages: list[Message], images: Sequence[Picture]) -> list[Message]:
    first = next((index for index, message in enumerate(messages) if message.role == "user"), None)
    return [
        replace(message, parts=(*images, *message.parts)) if index == first else message
        for index, message in enumerate(messages)
    ]


def _message(value: Any, field: str, context: Context) -> tuple[str, tuple[Part | _Slot, ...]]:
    if not isinstance(value, Mapping):
        raise BadRowError(field, f"is {kind_of(value)}; write an object {{role, content}}")
    if "role" not in value:
        raise BadRowError(f"{field}.role", f"is missing; the message has {names_of(value)}: write {{role, content}}")
    role = value["role"]
    if role not in ROLES:
        raise BadRowError(f"{field}.role", f"is {show(role)}; use one of {', '.join(ROLES)}")
    if role == "assistant" and value.get("weight") == 0:  # OpenAI's word for an answer that is not to be learnt
        raise BadRowError(f"{field}.weight", "is 0, and every answer is learnt; take this turn and its question out")
    content = value.get("content")
    if isinstance(content, str):
        return role, (text_part(content, f"{field}.content"),)
    if isinstance(content, list) and content:
        return role, tuple(_part(part, f"{field}.content[{index}]", context) for index, part in enumerate(content))
    raise BadRowError(
        f"{field}.content", f"is {kind_of(content)}; write a string or a list of text and image_url parts"
    )


def _part(value: Any, field: str, context: Context) -> Part | _Slot:
    if not isinstance(value, Mapping):
        raise BadRowError(field, f'is {kind_of(value)}; write {{"type": "text", "text": "..."}} or an image_url part')
    match value.get("type"):
        case "text":
            text = value.get("text")
            if not isinstance(text, str):
                raise BadRowError(f"{field}.text", f"is {kind_of(text)}; write a string")
            return text_part(text, f"{field}.text")
        case "image_url":
            image_url = value.get("image_url")
            if isinstance(image_url, Mapping):
                return picture_part(image_url.get("url"), f"{field}.image_url.url", context.folder)
            return picture_part(image_url, f"{field}.image_url", context.folder)
        case "image":
            for key in PICTURE_KEYS:
                if value.get(key) is not None:
                    return picture_part(value[key], f"{field}.{key}", context.folder)
            return _Slot()
        case other:
            raise BadRowError(f"{field}.type", f"is {show(other)}; use text, image or image_url")
