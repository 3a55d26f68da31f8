"""The members of a tar, packed or not, one after the other; hostile headers and archives that were cut off are told."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO, Protocol

from visionft_trainer.data.values import show

GZIP_MAGIC, ZSTD_MAGIC = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
MAX_HEADER_BYTES = 2**20  # names and attributes before a member; honest ones have some hundred
SKIP_BYTES = 2**20  # unpacked at once on the way to the next member


class TarBrokenError(Exception):
    """The archive cannot be read further."""


class Source(Protocol):
    """What a tar's bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """The next bytes; fewer at the end."""

    def seek(self, offset: int, /) -> int:
        """Go to the byte at `offset`."""

    def tell(self) -> int:
        """Where it is."""


@dataclass(frozen=True)
class Member:
    """One entry of a tar."""

    info: tarfile.TarInfo
    source: Source
    packed: bool
    """Whether the tar is packed, so that its bytes cannot be read from the middle."""

    @property
    def problem(self) -> str | None:
        """Why this member must not be used; None for a plain file with a name that stays inside."""
        path = PurePosixPath(self.info.name)
        if path.is_absolute() or ".." in path.parts or "\0" in self.info.name or not path.parts:
            return f"the member {show(self.info.name)} leads out of the archive; pack it again without it"
        if not self.info.isreg() or self.info.issparse():
            return f"the member {show(self.info.name)} is a link or device; pack the file itself"
        return None

    def pieces(self, size: int) -> Iterator[bytes]:
        """The content in pieces of `size`. Raises `TarBrokenError` when some of it is missing."""
        self.source.seek(self.info.offset_data)
        left = self.info.size
        while left:
            piece = self.source.read(min(size, left))
            if not piece:
                raise TarBrokenError(f"the member {show(self.info.name)} is cut off")
            left -= len(piece)
            yield piece


def members(stream: BinaryIO) -> Iterator[Member]:
    """The members that are no folders. Raises `TarBrokenError`."""
    try:
        yield from _members(stream)
    except tarfile.TarError as error:
        raise TarBrokenError(str(error)) from None


def _members(stream: BinaryIO) -> Iterator[Member]:
    source, packed = _unpacked(stream)
    bounded = _Bounded(source)
    with tarfile.open(fileobj=bounded, mode="r:") as tar:  # type: ignore[call-overload]
        while (info := tar.next()) is not None:
            tar.members = []  # it keeps all that it has met, for questions that nobody asks here
            if not info.isdir():
                yield Member(info, source, packed)
    if bounded.met_end:  # an archive ends with a block of zeros
        raise TarBrokenError("it ends between two members, without its end mark: it was cut off")


def _unpacked(stream: BinaryIO) -> tuple[Source, bool]:
    magic = stream.read(4)
    stream.seek(0)
    if magic.startswith(GZIP_MAGIC):
        return _Forward(gzip.GzipFile(fileobj=stream)), True
    if magic == ZSTD_MAGIC:
        import pyarrow as pa  # type: ignore[import-untyped]

        return _Forward(pa.CompressedInputStream(stream, "zstd")), True
    return stream, False


class _Forward:
    """Unpacked bytes, walked through once. It can go back by one byte, as tarfile does between members."""

    def __init__(self, stream: BinaryIO | gzip.GzipFile) -> None:
        self._stream = stream
        self._at = 0
        self._last = b""
        self._again = False

    def tell(self) -> int:
        return self._at - self._again

    def seek(self, offset: int, /) -> int:
        if offset == self._at - 1 and self._last:
            self._again = True
        while self.tell() < offset and self.read(min(offset - self.tell(), SKIP_BYTES)):
            pass
        return self.tell()

    def read(self, size: int, /) -> bytes:
        before = self._last if self._again and size else b""
        try:
            data = self._stream.read(size - len(before))
        except (EOFError, zlib.error, OSError) as error:  # the last one is what gzip and zstd raise
            raise TarBrokenError(str(error)) from None
        self._again = self._again and not size
        self._at += len(data)
        self._last = data[-1:] or self._last
        return before + data


class _Bounded:
    """A file of which no more than `MAX_HEADER_BYTES` can be read at once: tarfile reads headers in one piece."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.met_end = False
        """Whether the last read found nothing more."""
        self.tell = source.tell
        self.seek = source.seek

    def read(self, size: int) -> bytes:
        if not 0 <= size <= MAX_HEADER_BYTES:
            raise TarBrokenError(f"a member's header says that it has {size:,} bytes")
        data = self._source.read(size)
        self.met_end = not data
        return data
