"""CSV and TSV: a line of column names, then a row of cells each."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from visionft_trainer.data.containers.base import MAX_ROW_BYTES, TOO_LONG, Record, unreadable
from visionft_trainer.data.containers.packed import open_text
from visionft_trainer.data.rows import BadRowError, Where
from visionft_trainer.data.values import HALF_CHARACTER, show
from visionft_trainer.errors import BadDatasetError

DELIMITERS = (",", ";", "\t", "|")
UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def _read(file: Path, root: Path, delimiter: str | None) -> Iterator[Record]:
    name = file.relative_to(root).as_posix()
    csv.field_size_limit(MAX_ROW_BYTES)  # of the whole process; the default is less than a picture in base64
    try:
        with open_text(file) as stream:
            lines = _Lines(stream, name)
            # strict: a quote that does not close would otherwise swallow the rows after it without a word.
            cells = csv.reader(lines, delimiter=delimiter or lines.likely_delimiter(), strict=True)
            columns = _columns(cells, name)
            for line, row in _rows(cells, lines):
                yield Record(Where(name, line), row if isinstance(row, BadRowError) else _row(columns, row))
    except OSError as error:
        raise unreadable(file, error) from error


read_csv = partial(_read, delimiter=None)
"""The rows of a CSV file. The delimiter is the one of `DELIMITERS` that is most frequent in the first line."""
read_tsv = partial(_read, delimiter="\t")
"""The rows of a TSV file."""


class _Lines:
    """The decoded lines of a file; bounds the bytes of a row, however many lines it has."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self._name = name
        self._bytes = 0
        self.number = 0
        """Of the line last given."""
        self._first: bytes | None = self._stream.readline(MAX_ROW_BYTES + 1)
        if self._first.startswith(UTF_16_MARKS):
            raise BadDatasetError(f"{name} is UTF-16; save the file as UTF-8.")
        self._first = self._first.removeprefix(codecs.BOM_UTF8)

    def likely_delimiter(self) -> str:
        head = (self._first or b"").decode("utf-8", "replace")
        return max(DELIMITERS, key=head.count)

    def begin_row(self) -> int:
        """The number of the line that the next row begins with."""
        self._bytes = 0
        return self.number + 1

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        raw = self._stream.readline(MAX_ROW_BYTES + 1) if self._first is None else self._first
        self._first = None
        if not raw:
            raise StopIteration
        self.number += 1
        self._bytes += len(raw)
        if self._bytes > MAX_ROW_BYTES:
            raise BadDatasetError(
                f"{self._name} row {self.number} {TOO_LONG}; or a quote is missing that closes a cell."
            )
        return raw.decode("utf-8", "surrogateescape")


def _columns(cells: Iterator[list[str]], name: str) -> list[str]:
    try:
        columns = next(cells, [])
    except csv.Error as error:
        raise BadDatasetError(f"{name}: the line of column names is not CSV ({error}). Mend its quotes.") from None
    if any(HALF_CHARACTER.search(column) for column in columns):
        raise BadDatasetError(f"{name}: the line of column names is not UTF-8; save the file as UTF-8.")
    twice = next((column for column in columns if columns.count(column) > 1), None)
    if twice is not None:
        raise BadDatasetError(f"{name} has two columns {show(twice)}; give each column a name of its own.")
    return columns


def _rows(cells: Iterator[list[str]], lines: _Lines) -> Iterator[tuple[int, list[str] | BadRowError]]:
    """Rows with the number of their first line. Lines without any cell are no rows, but count."""
    while True:
        line = lines.begin_row()
        try:
            row = next(cells, None)
        except csv.Error as error:
            yield line, BadRowError("", f"is not CSV ({error}); put cells with quotes or line breaks in quotes")
            continue
        if row is None:
            return
        if row:
            yield line, row


def _row(columns: list[str], cells: list[str]) -> dict[str, str] | BadRowError:
    if len(cells) != len(columns):
        return BadRowError(
            "",
            f"has {len(cells)} cells for {len(columns)} columns; give each column one, in quotes where it holds the "
            "delimiter",
        )
    for column, cell in zip(columns, cells, strict=True):
        if HALF_CHARACTER.search(cell):
            return BadRowError(column, "is not UTF-8; save the file as UTF-8")
    return dict(zip(columns, cells, strict=True))
