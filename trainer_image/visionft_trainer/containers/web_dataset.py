"""WebDataset: a tar whose members of one name but for the ending, such as 0001.jpg and 0001.json, are one sample.

Pictures stay where they are: a row holds the stretch of the tar that is its picture. Of a .tar.gz, which cannot be read
from the middle, a row holds the picture's bytes.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from visionft_trainer.containers.base import MAX_ROW, MAX_ROW_BYTES, Record, unreadable
from visionft_trainer.containers.json_lines import parse_json
from visionft_trainer.errors import BadDatasetError
from visionft_trainer.plain_files import open_plain
from visionft_trainer.rows import BadRowError, Picture, Span, Where
from visionft_trainer.values import show

PICTURES = ("jpg", "jpeg", "png", "webp", "bmp", "tif", "tiff", "gif")
TEXTS = ("txt", "text", "caption", "cap", "transcript", "cls", "cls2", "index", "id")
MAX_HEADER_BYTES = 2**20  # names and attributes before a member; honest ones have some hundred
SKIP_BYTES = 2**20  # unpacked at once on the way to the next member


def read_web_dataset(file: Path, root: Path) -> Iterator[Record]:
    """The samples of a tar (also .tar.gz): an object with a value for each ending, `__key__` their common name.

    The fields of a .json member are columns of the row as well, and its picture is `image` (several: `images`).
    """
    name = file.relative_to(root).as_posix()
    sample = 0
    try:
        with open_plain(file) as stream:
            for group in _samples(_members(stream, file)):
                sample += 1
                yield Record(Where(name, sample), _value(group))
    except (tarfile.TarError, EOFError, zlib.error, _HeaderTooLongError) as error:
        raise BadDatasetError(
            f"{name} sample {sample + 1} cannot be read as a tar ({error}). Write the archive again."
        ) from None
    except OSError as error:
        raise unreadable(file, error) from error


class _HeaderTooLongError(Exception):
    """A member's name or attributes would take the memory of the machine."""


class _Forward:
    """The unpacked bytes of a .gz, walked through once. It can go back by one byte, as tarfile does between members."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream = stream
        self._at = 0
        self._last = b""
        self._again = False

    def tell(self) -> int:
        return self._at - self._again

    def seek(self, offset: int) -> int:
        if offset == self._at - 1 and self._last:
            self._again = True
        while self.tell() < offset and self.read(min(offset - self.tell(), SKIP_BYTES)):
            pass
        return self.tell()

    def read(self, size: int) -> bytes:
        before = self._last if self._again and size else b""
        data = self._stream.read(size - len(before))
        self._again = self._again and not size
        self._at += len(data)
        self._last = data[-1:] or self._last
        return before + data


class _Bounded:
    """A file of which no more than `MAX_HEADER_BYTES` can be read at once: tarfile reads headers in one piece."""

    def __init__(self, stream: BinaryIO | _Forward) -> None:
        self._stream = stream
        self.met_end = False
        """Whether the last read found nothing more."""
        self.tell = stream.tell
        self.seek = stream.seek

    def read(self, size: int) -> bytes:
        if not 0 <= size <= MAX_HEADER_BYTES:
            raise _HeaderTooLongError(f"a member's header says that it has {size:,} bytes")
        data = self._stream.read(size)
        self.met_end = not data
        return data


@dataclass
class _Member:
    key: str
    ending: str
    value: Any


@dataclass
class _Group:
    key: str
    values: dict[str, Any] = field(default_factory=dict)
    problem: BadRowError | None = None


def _members(stream: BinaryIO, file: Path) -> Iterator[_Member]:
    packed = stream.read(2) == b"\x1f\x8b"
    stream.seek(0)
    source = _Forward(gzip.GzipFile(fileobj=stream)) if packed else stream
    bounded = _Bounded(source)
    with tarfile.open(fileobj=bounded, mode="r:") as tar:  # type: ignore[call-overload]
        while (info := tar.next()) is not None:
            tar.members = []  # it keeps all that it has met, for questions that nobody asks here
            if info.isdir():
                continue
            key, ending = split_name(info.name)
            yield _Member(key, ending, _member_value(info, ending, source, None if packed else file))
    if bounded.met_end:  # an archive ends with a block of zeros
        raise tarfile.ReadError("it ends between two members, without its end mark: it was cut off")


def split_name(name: str) -> tuple[str, str]:
    """`a/0001.seg.png` to `("a/0001", "seg.png")`: up to the first dot of the last part, as webdataset does."""
    folder, slash, last = name.rpartition("/")
    stem, _, ending = last.partition(".")
    return folder + slash + stem, ending.lower()


def _member_value(info: tarfile.TarInfo, ending: str, source: BinaryIO | _Forward, file: Path | None) -> Any:
    """The member's content, None for one that is of no use here, or what is wrong with it."""
    path = PurePosixPath(info.name)
    if path.is_absolute() or ".." in path.parts or "\0" in info.name:
        return BadRowError("", f"the member {show(info.name)} leads out of the archive; pack it again without it")
    if not info.isreg() or info.issparse():
        return BadRowError("", f"the member {show(info.name)} is a link or device; pack the file itself")
    kind = ending.rpartition(".")[2]
    if kind in PICTURES and file is not None:
        return Picture(Span(file, info.offset_data, info.size), f"image {show(info.name)}")
    if kind not in (*PICTURES, *TEXTS, "json"):
        return None
    if info.size > MAX_ROW_BYTES:
        hint = "unpack the .gz, pictures of a plain tar may be larger" if kind in PICTURES else "make it smaller"
        return BadRowError(ending, f"the member {show(info.name)} has {info.size:,} bytes, above {MAX_ROW}; {hint}")
    source.seek(info.offset_data)
    data = source.read(info.size)
    if len(data) < info.size:
        return BadRowError(ending, f"the member {show(info.name)} is cut off; write the archive again")
    if kind in PICTURES:
        return Picture(data, f"image {show(info.name)}")
    try:
        return parse_json(data) if kind == "json" else data.decode("utf-8").strip()
    except UnicodeDecodeError:
        return BadRowError(ending, f"the member {show(info.name)} is not UTF-8; save it as UTF-8")
    except BadRowError as error:
        return BadRowError(ending, f"the member {show(info.name)} {error}")


def _samples(members: Iterator[_Member]) -> Iterator[_Group]:
    """Members that follow one another and have one key make a sample."""
    group: _Group | None = None
    for member in members:
        if group is None or member.key != group.key:
            if group is not None:
                yield group
            group = _Group(member.key)
        if isinstance(member.value, BadRowError):
            group.problem = group.problem or member.value
        elif member.ending in group.values:
            group.problem = group.problem or BadRowError(
                member.ending, f"the sample {show(group.key)} has two members of this ending; give each its own name"
            )
        elif member.value is not None:
            group.values[member.ending] = member.value
    if group is not None:
        yield group


def _value(group: _Group) -> Any:
    if group.problem is not None:
        return group.problem
    fields = group.values.get("json")
    pictures = [value for value in group.values.values() if isinstance(value, Picture)]
    row: dict[str, Any] = {**(fields if isinstance(fields, dict) else {}), **group.values, "__key__": group.key}
    if len(pictures) == 1:
        row["image"] = pictures[0]
    elif pictures:
        row["images"] = pictures
    return row
