"""What kind of data file it is, by its first bytes, where the name does not say it."""

from __future__ import annotations

import tarfile
from pathlib import Path

from visionft_trainer.data.containers.base import unreadable
from visionft_trainer.data.containers.tar_members import GZIP_MAGIC, ZSTD_MAGIC
from visionft_trainer.errors import BadDatasetError
from visionft_trainer.storage.plain_files import open_plain

TAR_MAGIC_OFFSET = 257
ARROW_STREAM_MAGIC = b"\xff\xff\xff\xff"  # before the length of the schema


def kind_by_content(file: Path) -> str:
    """A key of `READERS`. Text that is no JSON list is taken for JSON lines. Raises `BadDatasetError`."""
    try:
        with open_plain(file) as stream:
            head = stream.read(tarfile.BLOCKSIZE)
    except OSError as error:
        raise unreadable(file, error) from error
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith((b"ARROW1", ARROW_STREAM_MAGIC)):
        return "arrow"
    if head.startswith((GZIP_MAGIC, ZSTD_MAGIC)) or head[TAR_MAGIC_OFFSET:].startswith(b"ustar"):
        return "tar"
    if b"\0" in head:
        raise BadDatasetError(f"{file.name} is no kind of data file that is known; use JSONL, CSV, Parquet or a tar.")
    return "json" if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"[", b"{")) else "jsonl"
