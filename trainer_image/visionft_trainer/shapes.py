"""Data shapes: from one JSON value of the data file to a `Row`.

A shape is one function, entered in `SHAPES` under the name that `spec.dataset.*.format` uses.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

from visionft_trainer.rows import Message, Picture, Row, Text

ROLES = ("system", "user", "assistant")
HALF_CHARACTER = re.compile(r"[\ud800-\udfff]")
URL_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
SHOWN_CHARACTERS = 60  # of a wrong value, in an error


class BadRowError(ValueError):
    """A row that cannot be used: which field, what is there, and what to write instead."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}" if field else message)


def parse_messages(value: Any, line: int, folder: Path) -> Row:
    """A row in OpenAI's chat form, `{"messages": [{"role", "content"}]}`; image files lie below `folder`.

    Raises `BadRowError`.
    """
    if not isinstance(value, Mapping):
        raise BadRowError("", f'the row is {_kind(value)}; write an object {{"messages": [...]}}')
    if "messages" not in value:
        raise BadRowError("messages", "is missing; write the conversation as a list of {role, content} objects")
    messages = value["messages"]
    if not isinstance(messages, list) or not messages:
        raise BadRowError(
            "messages", f"is {_kind(messages)}; write a list with at least a user and an assistant message"
        )
    parsed = tuple(_message(message, f"messages[{index}]", folder) for index, message in enumerate(messages))
    _check_turns(parsed)
    return Row(line, parsed)


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
        raise BadRowError(field, f"is {_kind(value)}; write an object {{role, content}}")
    role = value.get("role")
    if role not in ROLES:
        raise BadRowError(f"{field}.role", f"is {_show(role)}; use one of {', '.join(ROLES)}")
    content = value.get("content")
    if isinstance(content, str):
        parts: tuple[Text | Picture, ...] = (_text(content, f"{field}.content"),)
    elif isinstance(content, list) and content:
        parts = tuple(_part(part, f"{field}.content[{index}]", folder) for index, part in enumerate(content))
    else:
        raise BadRowError(
            f"{field}.content", f"is {_kind(content)}; write a string or a list of text and image_url parts"
        )
    message = Message(role, parts)
    if role != "user" and any(isinstance(part, Picture) for part in parts):
        raise BadRowError(f"{field}.content", f"the {role} message holds an image; put it into a user message")
    if role == "assistant" and not message.text.strip():
        raise BadRowError(f"{field}.content", "the answer is empty; write the text that the model is to learn")
    return message


def _part(value: Any, field: str, folder: Path) -> Text | Picture:
    if not isinstance(value, Mapping):
        raise BadRowError(field, f'is {_kind(value)}; write {{"type": "text", "text": "..."}} or an image_url part')
    match value.get("type"):
        case "text":
            text = value.get("text")
            if not isinstance(text, str):
                raise BadRowError(f"{field}.text", f"is {_kind(text)}; write a string")
            return _text(text, f"{field}.text")
        case "image_url":
            image_url = value.get("image_url")
            if not isinstance(image_url, Mapping):
                raise BadRowError(f"{field}.image_url", f'is {_kind(image_url)}; write {{"url": "images/1.png"}}')
            return _picture(image_url.get("url"), f"{field}.image_url.url", folder)
        case other:
            raise BadRowError(f"{field}.type", f"is {_show(other)}; use text or image_url")


def _text(text: str, field: str) -> Text:
    _check_characters(text, field)
    return Text(text)


def _check_characters(text: str, field: str) -> None:
    """JSON can spell halves of a character ("\\ud83d" without its "\\ude00"), which no UTF-8 text can hold."""
    half = HALF_CHARACTER.search(text)
    if half:
        raise BadRowError(
            field,
            f"holds \\u{ord(half[0]):04x} at character {half.start() + 1}, half of a surrogate pair; "
            "write both halves, or the character itself",
        )


def _picture(url: Any, field: str, folder: Path) -> Picture:
    if not isinstance(url, str) or not url:
        raise BadRowError(field, f"is {_kind(url)}; write a file's path relative to the data file, or a data: URI")
    scheme = URL_SCHEME.match(url)
    if scheme and scheme[1].lower() == "data":
        return Picture(_data_uri(url, field))
    if scheme:
        raise BadRowError(
            field, f"is {_show(url)}; images are not fetched: put the file beside the data file and name it"
        )
    _check_characters(url, field)
    if "\0" in url:
        raise BadRowError(field, f"is {_show(url)}, with a NUL character in it; write the file's path without it")
    path = PurePosixPath(url)
    if path.is_absolute():
        raise BadRowError(field, f"is {_show(url)}, an absolute path; give it relative to the data file's folder")
    if ".." in path.parts:
        raise BadRowError(field, f"is {_show(url)}, which leaves the data file's folder; keep images below it")
    return Picture(folder / path)


def _data_uri(url: str, field: str) -> bytes:
    header, comma, body = url.partition(",")
    header = header.lower()
    if not comma or not header.startswith("data:image/") or not header.endswith(";base64"):
        raise BadRowError(field, f"is {_show(url)}; write a data URI as data:image/png;base64,...")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise BadRowError(field, "the data URI's base64 is broken; encode the image file again") from None


def _kind(value: Any) -> str:
    match value:
        case None:
            return "missing"
        case bool() | int() | float():
            return f"a number ({_show(value)})" if not isinstance(value, bool) else f"{value}".lower()
        case str():
            return f"the string {_show(value)}" if value else "an empty string"
        case list():
            return "a list" if value else "an empty list"
        case _:
            return "an object"


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."


SHAPES: Mapping[str, Callable[[Any, int, Path], Row]] = {"messages": parse_messages}
