"""OpenAI's chat form: `{"messages": [{"role", "content"}]}`."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from visionft_trainer.rows import BadRowError, Message, Picture, Row, Text
from visionft_trainer.shapes.base import Context, kind_of, picture_part, show, text_part

ROLES = ("system", "user", "assistant")


def parse_messages(value: Any, context: Context) -> Row:
    """A row in OpenAI's chat form, `{"messages": [{"role", "content"}]}`; image files lie below `context.folder`.

    Raises `BadRowError`.
    """
    if not isinstance(value, Mapping):
        raise BadRowError("", f'the row is {kind_of(value)}; write an object {{"messages": [...]}}')
    if "messages" not in value:
        raise BadRowError("messages", "is missing; write the conversation as a list of {role, content} objects")
    messages = value["messages"]
    if not isinstance(messages, list) or not messages:
        raise BadRowError(
            "messages", f"is {kind_of(messages)}; write a list with at least a user and an assistant message"
        )
    parsed = tuple(_message(message, f"messages[{index}]", context.folder) for index, message in enumerate(messages))
    _check_turns(parsed)
    return Row(context.where, parsed)


def _check_turns(messages: tuple[Message, ...]) -> None:
    for index, message in enumerate(messages):
        if message.role == "system" and index > 0:
            raise BadRowError(f"messages[{index}].role", "a system message can only be the first one")
    turns = [message for message in messages if message.role != "system"]
    if not turns or turns[0].role != "user":
        raise BadRowError("messages", "the conversation starts with a user message (after an optional system message)")
    offset = len(messages) - len(turns)
    for index, (before, after) in enumerate(pairwise(turns), start=offset + 1):
        if before.role == after.role:
            raise BadRowError(
                f"messages[{index}].role", f"two {after.role} messages in a row; user and assistant alternate"
            )
    if turns[-1].role != "assistant":
        raise BadRowError(
            "messages", "the last message is the user's; add the assistant's answer, it is what is learnt"
        )


def _message(value: Any, field: str, folder: Path) -> Message:
    if not isinstance(value, Mapping):
        raise BadRowError(field, f"is {kind_of(value)}; write an object {{role, content}}")
    role = value.get("role")
    if role not in ROLES:
        raise BadRowError(f"{field}.role", f"is {show(role)}; use one of {', '.join(ROLES)}")
    content = value.get("content")
    if isinstance(content, str):
        parts: tuple[Text | Picture, ...] = (text_part(content, f"{field}.content"),)
    elif isinstance(content, list) and content:
        parts = tuple(_part(part, f"{field}.content[{index}]", folder) for index, part in enumerate(content))
    else:
        raise BadRowError(
            f"{field}.content", f"is {kind_of(content)}; write a string or a list of text and image_url parts"
        )
    message = Message(role, parts)
    if role != "user" and any(isinstance(part, Picture) for part in parts):
        raise BadRowError(f"{field}.content", f"the {role} message holds an image; put it into a user message")
    if role == "assistant" and not message.text.strip():
        raise BadRowError(f"{field}.content", "the answer is empty; write the text that the model is to learn")
    return message


def _part(value: Any, field: str, folder: Path) -> Text | Picture:
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
            if not isinstance(image_url, Mapping):
                raise BadRowError(f"{field}.image_url", f'is {kind_of(image_url)}; write {{"url": "images/1.png"}}')
            return picture_part(image_url.get("url"), f"{field}.image_url.url", folder)
        case other:
            raise BadRowError(f"{field}.type", f"is {show(other)}; use text or image_url")
