"""What is noted of each row and picture while it is read: a few numbers, in files of one column each.

A question about the whole data set then reads the columns that it needs, not the data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from visionft_trainer.data.report.perceptual_hash import FINE_WORDS, perceptual_hash
from visionft_trainer.data.rows import Boxes, Message, Picture, Row, Text

Column = np.ndarray[Any, Any]

FLUSHED_RECORDS = 4096  # kept in memory before they are written
ROW = np.dtype(
    [
        ("content", "<u8", 2),  # digest of the whole row, pictures by their bytes
        ("text", "<u8"),  # digest of its words and boxes
        ("question", "<u8"),  # digest of all but the last answer, pictures included
        ("answer", "<u8"),  # digest of the last answer
        ("prompt_length", "<u4"),  # characters of all messages that are no answers
        ("answer_length", "<u4"),  # characters of all answers
        ("first_picture", "<u8"),  # position among the pictures
        ("pictures", "<u4"),
    ]
)
PICTURE = np.dtype(
    [
        ("digest", "<u8", 2),  # of its bytes
        ("answer", "<u8"),  # of its row
        ("row", "<u8"),  # position of its row
        ("coarse", "<u8"),
        ("fine", "<u8", FINE_WORDS),
        ("blank", "?"),
        ("width", "<u4"),
        ("height", "<u4"),
        ("brightness", "<f4"),  # mean of the grey values, 0 to 1
        ("contrast", "<f4"),  # their standard deviation, 0 to 0.5
    ]
)


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What is noted of a picture."""

    digest: bytes
    """sha256 of its encoded bytes."""
    width: int
    height: int
    brightness: float
    """Mean of the grey values, 0 to 1."""
    contrast: float
    """Their standard deviation, 0 to 0.5: the RMS contrast of E. Peli, "Contrast in complex images" (1990)."""
    look: tuple[int, bytes] | None
    """The perceptual hash; None for a blank picture."""


LEVELS = np.arange(256) / 255
SQUARES = LEVELS**2


def look_at(encoded: bytes, image: Image.Image) -> PictureFacts:
    """Note what an RGB picture and its bytes are like."""
    grey = image.convert("L")
    counts = np.asarray(grey.histogram()) / (image.width * image.height)
    mean = float(counts @ LEVELS)
    variance = max(0.0, float(counts @ SQUARES) - mean**2)
    return PictureFacts(
        hashlib.sha256(encoded).digest(), image.width, image.height, mean, variance**0.5, perceptual_hash(grey)
    )


class Table:
    """Columns that `TableWriter` wrote."""

    def __init__(self, folder: Path, layout: np.dtype[Any], length: int) -> None:
        self._folder = folder
        self._layout = layout
        self._length = length

    def __len__(self) -> int:
        return self._length

    def column(self, name: str) -> Column:
        """All values of a column, on disk until they are touched."""
        field = self._layout[name]
        shape = (self._length, *field.shape)
        if not self._length:
            return np.zeros(shape, field.base)
        return np.memmap(self._folder / name, dtype=field.base, mode="r", shape=shape)


class TableWriter:
    """Appends records to columns in a folder."""

    def __init__(self, folder: Path, layout: np.dtype[Any]) -> None:
        folder.mkdir()
        self._folder = folder
        self._layout = layout
        self._files: dict[str, BinaryIO] = {name: (folder / name).open("wb") for name in layout.names or ()}
        self._records: list[tuple[Any, ...]] = []
        self._written = 0

    def __len__(self) -> int:
        return self._written + len(self._records)

    def append(self, record: tuple[Any, ...]) -> None:
        """Note one record, its values in the layout's order."""
        self._records.append(record)
        if len(self._records) >= FLUSHED_RECORDS:
            self._flush()

    def close(self) -> Table:
        """Write the rest."""
        self._flush()
        for file in self._files.values():
            file.close()
        return Table(self._folder, self._layout, self._written)

    def _flush(self) -> None:
        block = np.array(self._records, dtype=self._layout)
        for name, file in self._files.items():
            file.write(block[name].tobytes())
        self._written += len(self._records)
        self._records.clear()


@dataclass(frozen=True)
class Facts:
    """What was noted of a split."""

    rows: Table
    pictures: Table
    several_wordings: bool
    """Whether a row has a text of which there are others."""


def picture_sizes(facts: Facts) -> Iterator[list[tuple[int, int]]]:
    """Width and height of each row's pictures, row after row."""
    sizes = zip(_read(facts.pictures, "width"), _read(facts.pictures, "height"), strict=True)
    for count in _read(facts.rows, "pictures"):
        yield [next(sizes) for _ in range(count)]


def _read(table: Table, name: str) -> Iterator[int]:
    """A column's values, few of them in memory."""
    column = table.column(name)
    for start in range(0, len(column), FLUSHED_RECORDS):
        yield from column[start : start + FLUSHED_RECORDS].tolist()


class FactsWriter:
    """Notes rows in their order. A context manager; `facts` is there after it."""

    facts: Facts

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._rows = TableWriter(folder / "rows", ROW)
        self._pictures = TableWriter(folder / "pictures", PICTURE)
        self._several_wordings = False

    def __enter__(self) -> FactsWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.facts = Facts(self._rows.close(), self._pictures.close(), self._several_wordings)

    def note(self, row: Row, pictures: Sequence[PictureFacts], content: bytes) -> None:
        """Note a row whose content has the digest `content`."""
        position, first = len(self._rows), len(self._pictures)
        last = len(row.messages) - 1
        self._several_wordings |= any(
            isinstance(part, Text) and bool(part.others) for message in row.messages for part in message.parts
        )
        question = _words(row.messages[:last]) + b"".join(picture.digest for picture in pictures)
        answers = sum(len(message.text) for message in row.messages if message.role == "assistant")
        characters = sum(len(message.text) for message in row.messages)
        answer = _short(_words(row.messages[last:]))
        self._rows.append(
            (
                _long(content),
                _short(_words(row.messages)),
                _short(question),
                answer,
                characters - answers,
                answers,
                first,
                len(pictures),
            )
        )
        for picture in pictures:
            coarse, fine = picture.look or (0, bytes(8 * FINE_WORDS))
            self._pictures.append(
                (
                    _long(picture.digest),
                    answer,
                    position,
                    coarse,
                    np.frombuffer(fine, dtype="<u8"),
                    picture.look is None,
                    picture.width,
                    picture.height,
                    picture.brightness,
                    picture.contrast,
                )
            )


def _words(messages: Sequence[Message]) -> bytes:
    """Roles, words and boxes, and where pictures stand, but not which."""
    seen: list[str] = []
    for message in messages:
        seen.append(message.role)
        for part in message.parts:
            match part:
                case Text(text):
                    seen.append(f"\0text\0{text}")
                case Picture():
                    seen.append("\0picture\0")
                case Boxes():
                    seen.append(f"\0boxes\0{part!r}")
        seen.append("\n")
    return "".join(seen).encode()


def _short(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


def _long(digest: bytes) -> tuple[int, int]:
    """The first 128 bits of a digest, as two numbers."""
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:16], "little")
