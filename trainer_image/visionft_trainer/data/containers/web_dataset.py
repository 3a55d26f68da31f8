"""WebDataset: a tar whose members of one name but for the ending, such as 0001.jpg and 0001.json, are one sample.

Pictures stay where they are: a row holds the stretch of the tar that is its picture. Of a packed tar, which cannot be
read from the middle, a row holds the picture's bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from visionft_trainer.data.containers.base import MAX_ROW, MAX_ROW_BYTES, Record, unreadable
from visionft_trainer.data.containers.json_lines import parse_json
from visionft_trainer.data.containers.tar_members import Member, TarBrokenError, members
from visionft_trainer.data.rows import BadRowError, Picture, Span, Where
from visionft_trainer.data.values import show
from visionft_trainer.errors import BadDatasetError
from visionft_trainer.storage.plain_files import open_plain

PICTURES = ("jpg", "jpeg", "png", "webp", "bmp", "tif", "tiff", "gif")
TEXTS = ("txt", "text", "caption", "cap", "transcript", "cls", "cls2", "index", "id")


def read_web_dataset(file: Path, root: Path) -> Iterator[Record]:
    """The samples of a tar, also a packed one: an object with a value for each ending, `__key__` their common name.

    The fields of a .json member are columns of the row as well, and its picture is `image` (several: `images`).
    """
    name = file.relative_to(root).as_posix()
    sample = 0
    try:
        with open_plain(file) as stream:
            for group in _samples(_parts(stream, file)):
                sample += 1
                yield Record(Where(name, sample), _value(group))
    except TarBrokenError as error:
        raise BadDatasetError(
            f"{name} sample {sample + 1} cannot be read as a tar ({error}). Write the archive again."
        ) from None
    except OSError as error:
        raise unreadable(file, error) from error


@dataclass
class _Part:
    key: str
    ending: str
    value: Any


@dataclass
class _Group:
    key: str
    values: dict[str, Any] = field(default_factory=dict)
    problem: BadRowError | None = None


def _parts(stream: BinaryIO, file: Path) -> Iterator[_Part]:
    for member in members(stream):
        key, ending = split_name(member.info.name)
        hidden = not key or key.endswith("/")  # as ._0001.jpg, which macOS puts beside 0001.jpg
        if hidden and member.problem is None:
            continue
        yield _Part(key, ending, _content(member, ending, file))


def split_name(name: str) -> tuple[str, str]:
    """`a/0001.seg.png` to `("a/0001", "seg.png")`: up to the first dot of the last part, as webdataset does."""
    folder, slash, last = name.rpartition("/")
    stem, _, ending = last.partition(".")
    return folder + slash + stem, ending.lower()


def _content(member: Member, ending: str, file: Path) -> Any:
    """What the member holds, None for one that is of no use here, or what is wrong with it."""
    if member.problem is not None:
        return BadRowError("", member.problem)
    name, size = show(member.info.name), member.info.size
    kind = ending.rpartition(".")[2]
    if kind in PICTURES and not member.packed:
        return Picture(Span(file, member.info.offset_data, size), f"image {name}")
    if kind not in (*PICTURES, *TEXTS, "json"):
        return None
    if size > MAX_ROW_BYTES:
        hint = "unpack the archive, pictures of a plain tar may be larger" if kind in PICTURES else "make it smaller"
        return BadRowError(ending, f"the member {name} has {size:,} bytes, above {MAX_ROW}; {hint}")
    data = b"".join(member.pieces(MAX_ROW_BYTES))
    if kind in PICTURES:
        return Picture(data, f"image {name}")
    try:
        return parse_json(data) if kind == "json" else data.decode("utf-8").strip()
    except UnicodeDecodeError:
        return BadRowError(ending, f"the member {name} is not UTF-8; save it as UTF-8")
    except BadRowError as error:
        return BadRowError(ending, f"the member {name} {error}")


def _samples(parts: Iterator[_Part]) -> Iterator[_Group]:
    """Members that follow one another and have one key make a sample."""
    group: _Group | None = None
    for part in parts:
        if group is None or part.key != group.key:
            if group is not None:
                yield group
            group = _Group(part.key)
        if isinstance(part.value, BadRowError):
            group.problem = group.problem or part.value
        elif part.ending in group.values:
            group.problem = group.problem or BadRowError(
                part.ending, f"the sample {show(group.key)} has two members of this ending; give each its own name"
            )
        elif part.value is not None:
            group.values[part.ending] = part.value
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
