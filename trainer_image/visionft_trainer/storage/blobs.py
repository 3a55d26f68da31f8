"""Bytes of pictures that came inside rows, kept on disk: a row then holds only where they lie."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import TracebackType

from visionft_trainer.data.rows import Picture, Row, Span


class Blobs:
    """Appends to one file. A context manager."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._end = 0
        self._file = path.open("wb")

    def __enter__(self) -> Blobs:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def outsource(self, row: Row) -> Row:
        """`row` without bytes in it: its embedded pictures are written to the file."""
        if not any(isinstance(picture.source, bytes) for picture in row.pictures):
            return row
        messages = tuple(
            replace(
                message, parts=tuple(self._kept(part) if isinstance(part, Picture) else part for part in message.parts)
            )
            for message in row.messages
        )
        return replace(row, messages=messages)

    def _kept(self, picture: Picture) -> Picture:
        if not isinstance(picture.source, bytes):
            return picture
        span = Span(self._path, self._end, self._file.write(picture.source))
        self._end += span.size
        return replace(picture, source=span)
