"""Text files that are packed with gzip or zstd, read as if they were not."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import BinaryIO, cast

from visionft_trainer.errors import BadDatasetError
from visionft_trainer.storage.plain_files import open_plain

ENDINGS = (".gz", ".zst")
MAX_GROWTH = 100  # times the packed size; text shrinks to a tenth, pictures hardly
MIN_ALLOWED_BYTES = 2**30  # that anything packed may grow to
BUFFER_BYTES = 2**18


def most_bytes(packed: int) -> int:
    """To how many bytes something of `packed` bytes may grow; beyond it is made to fill a disk."""
    return max(MIN_ALLOWED_BYTES, MAX_GROWTH * packed)


def open_text(file: Path) -> io.BufferedReader:
    """Open a plain file to read its bytes, unpacked where its name ends in one of `ENDINGS`.

    Reading raises `BadDatasetError` where it cannot be unpacked or grows beyond `most_bytes`.

    Raises:
        OSError: it is missing, no plain file, or cannot be read.
    """
    stream = open_plain(file)
    if not file.name.lower().endswith(ENDINGS):
        return cast("io.BufferedReader", stream)
    return io.BufferedReader(_Unpacked(stream, file), BUFFER_BYTES)


class _Unpacked(io.RawIOBase):
    def __init__(self, packed: BinaryIO, file: Path) -> None:
        self._packed, self._name = packed, file.name
        self._most = most_bytes(file.stat().st_size)
        self._bytes = 0
        if file.name.lower().endswith(".gz"):
            self._stream: BinaryIO | gzip.GzipFile = gzip.GzipFile(fileobj=packed)
        else:
            import pyarrow as pa  # type: ignore[import-untyped]

            self._stream = pa.CompressedInputStream(packed, "zstd")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._stream.read(len(buffer))
        except (EOFError, zlib.error, OSError) as error:  # the last one is what gzip and zstd raise
            raise BadDatasetError(f"{self._name} cannot be unpacked ({error}). Pack the file again.") from None
        self._bytes += len(data)
        if self._bytes > self._most:
            raise BadDatasetError(
                f"{self._name} unpacks to more than {self._most:,} bytes, {MAX_GROWTH} times its size: that is a file "
                "made to fill a disk, or one of emptiness. Unpack it if that is meant."
            )
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._packed.close()
        super().close()
