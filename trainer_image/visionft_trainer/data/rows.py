"""A row of training data, whatever file or shape it came from: chat messages of text, pictures and boxes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Role = Literal["system", "user", "assistant"]
POSITION = re.compile(r"\[\d+\]")  # of a list's item, in the name of a field


class BadRowError(ValueError):
    """A row that cannot be used: which field, what is there, and what to write instead."""

    def __init__(self, field: str, message: str, *, reason: str = "") -> None:
        """`reason` is the kind of mistake in two or three words, by which rows are counted; the field's by default."""
        super().__init__(f"{field}: {message}" if field else message)
        self.reason = reason or (f"wrong {POSITION.sub('', field)}" if field else "unreadable row")


@dataclass(frozen=True)
class Where:
    """Where a row came from, as errors and reports name it."""

    file: str
    """Relative to the folder of the data."""
    row: int
    """From 1: the line of a text file, the row of a table, the sample of an archive."""

    def __str__(self) -> str:
        return f"{self.file} row {self.row}"


@dataclass(frozen=True)
class Span:
    """A stretch of a file, such as a member of an archive."""

    file: Path
    offset: int
    """Bytes before it."""
    size: int
    """Bytes of it."""


@dataclass(frozen=True)
class Text:
    """Words inside a message."""

    text: str
    others: tuple[str, ...] = ()
    """Other wordings, one of which a training row may get in place of `text`."""


@dataclass(frozen=True)
class Picture:
    """An image inside a message, still encoded: a file, a stretch of one, or its bytes."""

    source: Path | Span | bytes
    name: str = ""
    """How errors call it where it is no file of its own, such as `the image in the data URI`."""


@dataclass(frozen=True)
class Box:
    """A rectangle around a thing. Edges are shares of the picture's width and height, 0 to 1 from the top left."""

    label: str
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Boxes:
    """Boxes inside a message; each model family writes them in its own coordinates."""

    boxes: tuple[Box, ...]
    picture: int = 0
    """Which picture of the row they lie on."""
    text: str = ""
    """As the model's family writes them; known when the row is prepared for a model."""

    @property
    def shown(self) -> str:
        """For people: as the family writes them, or in hundredths of the picture, as `red circle (2 2 30 31)`."""
        return self.text or ", ".join(
            f"{box.label} ({100 * box.left:.0f} {100 * box.top:.0f} {100 * box.right:.0f} {100 * box.bottom:.0f})"
            for box in self.boxes
        )


Part = Text | Picture | Boxes


@dataclass(frozen=True)
class Message:
    """One turn of the conversation."""

    role: Role
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """All words of the message, with those of its boxes once a family has written them; pictures left out."""
        return "".join(part.text for part in self.parts if isinstance(part, Text | Boxes))

    @property
    def shown(self) -> str:
        """For people: all words, and the boxes that no family has written yet."""
        parts = (part for part in self.parts if not isinstance(part, Picture))
        return "".join(part.shown if isinstance(part, Boxes) else part.text for part in parts)


@dataclass(frozen=True)
class Row:
    """One training example; its last message is the answer that evaluation compares with."""

    where: Where
    messages: tuple[Message, ...]
    accepted: tuple[str, ...] = ()
    """Answers that evaluation takes as right beside the last message and its other wordings; never learnt."""

    @property
    def pictures(self) -> Iterator[Picture]:
        """Pictures in the order in which the chat template meets them."""
        return (part for message in self.messages for part in message.parts if isinstance(part, Picture))

    @property
    def answer(self) -> str:
        """The text of the last message."""
        return self.messages[-1].text

    @property
    def references(self) -> tuple[str, ...]:
        """Every right answer, the one that is learnt first."""
        parts = self.messages[-1].parts
        others = parts[0].others if len(parts) == 1 and isinstance(parts[0], Text) else ()
        return tuple(dict.fromkeys((self.answer, *others, *self.accepted)))
