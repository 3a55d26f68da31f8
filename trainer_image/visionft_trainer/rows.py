"""A row of training data, whatever file or shape it came from: chat messages of text and pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True)
class Text:
    """Words inside a message."""

    text: str


@dataclass(frozen=True)
class Picture:
    """An image inside a message, still encoded: a file, or the bytes of a data URI."""

    source: Path | bytes


@dataclass(frozen=True)
class Message:
    """One turn of the conversation."""

    role: Role
    parts: tuple[Text | Picture, ...]

    @property
    def text(self) -> str:
        """All words of the message, pictures left out."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))


@dataclass(frozen=True)
class Row:
    """One training example; its last message is the answer that evaluation compares with."""

    line: int
    """Where it stands in its file, from 1."""
    messages: tuple[Message, ...]

    @property
    def pictures(self) -> Iterator[Picture]:
        """Pictures in the order in which the chat template meets them."""
        return (part for message in self.messages for part in message.parts if isinstance(part, Picture))

    @property
    def answer(self) -> str:
        """The text of the last message."""
        return self.messages[-1].text
