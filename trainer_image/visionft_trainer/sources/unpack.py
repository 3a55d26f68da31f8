"""Unpacking archives of others: plain files only, all of them below one folder, bounded in number and size."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from visionft_trainer.data.containers.base import unreadable
from visionft_trainer.data.containers.packed import MAX_GROWTH, most_bytes
from visionft_trainer.data.containers.tar_members import TarBrokenError, members
from visionft_trainer.data.containers.web_dataset import split_name
from visionft_trainer.data.values import show
from visionft_trainer.errors import BadDatasetError
from visionft_trainer.sources.transfer import PIECE_BYTES, filling, inside
from visionft_trainer.storage.plain_files import open_plain

MAX_FILES = 2_000_000
TAR_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.zst")
ZIP_MAGIC = b"PK"


def is_archive(file: Path, *, inner: bool) -> bool:
    """Whether `file` is to be unpacked. A tar of WebDataset samples is not: it is read as it is.

    `inner` says that something inside it is asked for.
    """
    with open_plain(file) as stream:
        if stream.read(len(ZIP_MAGIC)) == ZIP_MAGIC:
            return True
    return file.name.lower().endswith(TAR_ENDINGS) and (inner or not _is_web_dataset(file))


def _is_web_dataset(file: Path) -> bool:
    """Whether the first two files have one name but for the ending, as the members of a sample have."""
    try:
        with open_plain(file) as stream:
            keys = [split_name(member.info.name)[0] for member in islice(members(stream), 2)]
            return len(keys) == 2 and keys[0] == keys[1]
    except TarBrokenError:
        return False  # unpacking says what is wrong


def unpack(file: Path, folder: Path, field: str) -> Path:
    """All files of the archive below `folder`, which it makes.

    Raises:
        BadDatasetError: broken; with links, devices or names that lead out; or larger than the bounds.
        StorageFailedError: the disk is too small.
    """
    folder.mkdir(parents=True)
    allowance = _Allowance(file, field)
    try:
        with open_plain(file) as stream:
            packed = stream.read(len(ZIP_MAGIC)) == ZIP_MAGIC
        with filling(folder, field):
            for name, pieces in _zip_files(file, field) if packed else _tar_files(file, field):
                target = inside(folder, name, field, BadDatasetError)
                allowance.add_file()
                _write(target, pieces, allowance, field)
    # NotImplementedError: a zip compressed in a way that Python does not read; RuntimeError: one with a password.
    except (TarBrokenError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise BadDatasetError(f"{field}: {file.name} cannot be unpacked ({error}). Make the archive again.") from None
    return folder


class _Allowance:
    """How much an archive may still grow."""

    def __init__(self, file: Path, field: str) -> None:
        self._name, self._field, self._folder = file.name, field, file.parent
        self._files = 0
        self._bytes = 0
        self._most = most_bytes(file.stat().st_size)

    def add_file(self) -> None:
        self._files += 1
        if self._files > MAX_FILES:
            raise BadDatasetError(
                f"{self._field}: {self._name} holds more than {MAX_FILES:,} files; use tars of samples (WebDataset) or "
                "Parquet."
            )

    def add(self, size: int) -> None:
        self._bytes += size
        if self._bytes > self._most:
            raise BadDatasetError(
                f"{self._field}: {self._name} unpacks to more than {self._most:,} bytes, {MAX_GROWTH} times its size: "
                "that is an archive made to fill a disk, or one of emptiness. Pack the data without it."
            )


def _write(target: Path, pieces: Iterator[bytes], allowance: _Allowance, field: str) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as output:
            for piece in pieces:
                allowance.add(len(piece))
                output.write(piece)
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise BadDatasetError(f"{field}: the archive has {show(target.name)} twice; pack it again.") from None


def _tar_files(file: Path, field: str) -> Iterator[tuple[str, Iterator[bytes]]]:
    try:
        with open_plain(file) as stream:
            for member in members(stream):
                if member.problem is not None:
                    raise BadDatasetError(f"{field}: {file.name}: {member.problem}.")
                yield member.info.name, member.pieces(PIECE_BYTES)
    except OSError as error:
        raise unreadable(file, error) from error


def _zip_files(file: Path, field: str) -> Iterator[tuple[str, Iterator[bytes]]]:
    with open_plain(file) as stream, zipfile.ZipFile(stream) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG):
                raise BadDatasetError(
                    f"{field}: {file.name}: the member {show(info.filename)} is a link or device; pack the file itself."
                )
            yield info.filename, _zip_pieces(archive, info)


def _zip_pieces(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    with archive.open(info) as member:
        while piece := member.read(PIECE_BYTES):
            yield piece
