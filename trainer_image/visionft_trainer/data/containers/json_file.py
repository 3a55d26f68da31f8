"""JSON: a list of objects, or an object that holds the list under `data` or `rows`. Read piece by piece.

Files that end in .json and hold JSON lines are read as those.
"""

from __future__ import annotations

import codecs
import json
import re
import sys
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

from visionft_trainer.data.containers.base import MAX_ROW_BYTES, TOO_LONG, Record, unreadable
from visionft_trainer.data.containers.json_lines import no_constant, read_json_lines
from visionft_trainer.data.containers.packed import open_text
from visionft_trainer.data.rows import Where
from visionft_trainer.errors import BadDatasetError

LIST_KEYS = ("data", "rows")
READ_BYTES = 2**20
SNIFFED_BYTES = 512
NUMBER_TAIL = 4  # characters: "1" may be the beginning of "1.5" or "1e+5"
SPACE = re.compile(r"[ \t\n\r]*")


def read_json(file: Path, root: Path) -> Iterator[Record]:
    """The rows of a JSON file."""
    name = file.relative_to(root).as_posix()
    try:
        with open_text(file) as stream:
            lines = _are_lines(stream)
        if not lines:
            with open_text(file) as stream:
                yield from _rows(_Scanner(stream, name), name)
                return
    except OSError as error:
        raise unreadable(file, error) from error
    yield from read_json_lines(file, root)


def _are_lines(stream: BufferedReader) -> bool:
    """Whether the first line is a row of its own: a whole object that does not hold the list of rows."""
    if not stream.peek(SNIFFED_BYTES).removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"{"):
        return False
    first = stream.readline(MAX_ROW_BYTES + 1).removeprefix(codecs.BOM_UTF8)
    if len(first) > MAX_ROW_BYTES:
        return False
    try:
        value = json.loads(first)
    except (ValueError, RecursionError):
        return False
    return not any(isinstance(value.get(key), list) for key in LIST_KEYS) or bool(stream.readline(READ_BYTES).strip())


def _rows(scanner: _Scanner, name: str) -> Iterator[Record]:
    match scanner.peek():
        case "[":
            yield from _items(scanner, name)
            if scanner.peek():
                raise scanner.wrong("goes on after the list", 0)
        case "{":
            for key in scanner.each_key():
                if key in LIST_KEYS and scanner.peek() == "[":
                    yield from _items(scanner, name)
                    return
                scanner.value(0)
            raise scanner.wrong(f"is an object without a list under {' or '.join(LIST_KEYS)}", 0)
        case "":
            return
        case _:
            raise scanner.wrong("is no list of objects", 0)


def _items(scanner: _Scanner, name: str) -> Iterator[Record]:
    for row in scanner.positions("[", "]"):
        yield Record(Where(name, row), scanner.value(row))


class _Scanner:
    """Walks through JSON text, holding the value that it stands at and little more."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self._name = name
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._json = json.JSONDecoder(parse_constant=self._note_constant)
        self._text, self._at, self._ended = "", 0, False
        self._constant: str | None = None

    def peek(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            self._at = SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text):
                return self._text[self._at]
            if self._ended:
                return ""
            self._read_on()

    def positions(self, opening: str, closing: str) -> Iterator[int]:
        """Stands at each item of a list or object in turn, and gives its number from 1. Raises `BadDatasetError`."""
        self._take(opening, 0)
        row = 0
        while self.peek() != closing:
            if row:
                self._take(",", row)
                self.peek()
            row += 1
            yield row
        self._take(closing, row)

    def each_key(self) -> Iterator[str]:
        """Stands at the value of each key of an object in turn. Raises `BadDatasetError`."""
        for _ in self.positions("{", "}"):
            key = self.value(0)
            self._take(":", 0)
            self.peek()
            yield key

    def value(self, row: int) -> Any:
        """The value that it stands at; a `BadRowError` for one that Python can read but JSON does not know.

        Raises `BadDatasetError`, after which nothing more can be read.
        """
        while True:
            self._constant = None
            try:
                value, end = self._json.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if self._ended:
                    raise self.wrong(f"is not JSON ({error.msg}, character {error.pos - self._at + 1})", row) from None
            except ValueError:  # Python reads no longer number than this
                limit = f"{sys.get_int_max_str_digits():,}"
                raise self.wrong(f"holds an integer of more than {limit} digits", row) from None
            except RecursionError:
                raise self.wrong("is nested too deeply", row) from None
            else:
                whole = not isinstance(value, int | float) or end + NUMBER_TAIL < len(self._text)
                if whole or self._ended:
                    self._at = end
                    return value if self._constant is None else no_constant(self._constant)
            if len(self._text) - self._at > MAX_ROW_BYTES:
                raise BadDatasetError(f"{self._name} row {row} {TOO_LONG}; or a quote or bracket is missing.")
            self._read_on()

    def wrong(self, what: str, row: int) -> BadDatasetError:
        """The error for a file that cannot be read further."""
        place = f"{self._name} row {row}" if row else self._name
        return BadDatasetError(f"{place} {what}. Write a list of objects, [{{...}}, {{...}}], or one object a line.")

    def _take(self, character: str, row: int) -> None:
        found = self.peek()
        if found != character:
            said = f"{found!r} stands" if found else "the file ends"
            raise self.wrong(f"is not JSON ({said} where {character!r} is expected)", row)
        self._at += 1

    def _read_on(self) -> None:
        """Read at least as much again as there is, so that long values are not tried too often."""
        kept = self._text[self._at :]
        data = self._stream.read(max(READ_BYTES, len(kept)))
        self._ended = not data
        try:
            self._text, self._at = kept + self._decode(data, final=self._ended), 0
        except UnicodeDecodeError as error:
            raise BadDatasetError(f"{self._name} is not UTF-8 ({error.reason}). Save the file as UTF-8.") from None

    def _note_constant(self, name: str) -> None:
        self._constant = name
