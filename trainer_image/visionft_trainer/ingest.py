"""Stage 1: read the data files and every image once, before any model is touched.

All rows are looked at, so that one round of mending is enough: the error counts the bad ones and names the first.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visionft_api.quantities import parse_size
from visionft_api.spec import DataSource, VisionFineTuneSpec

from visionft_trainer import places
from visionft_trainer.errors import BadConfigError, BadDatasetError
from visionft_trainer.images import ImageRules, open_rgb, picture_name, read_bytes
from visionft_trainer.plain_files import open_plain
from visionft_trainer.rows import Picture, Row
from visionft_trainer.settings import Settings
from visionft_trainer.shapes import SHAPES, BadRowError

DATA_FILE = "data.jsonl"  # inside a folder that the manifest names
MAX_LINE_BYTES = 64 * 2**20  # one row, data URIs included
NAMED_ROWS = 5  # bad rows spelt out in the error; the rest are counted

Tick = Callable[[int], None]
"""Called with the rows done so far; how many there are is not known before the end."""


@dataclass(frozen=True)
class Split:
    """The rows of one data file."""

    name: str
    """`train` or `validation`."""
    file: Path
    rows: tuple[Row, ...]
    rules: ImageRules
    digest: str
    """sha256 over the file and every image in it, in the rows' order."""


@dataclass(frozen=True)
class Dataset:
    """What a run learns from and is measured on."""

    train: Split
    validation: Split | None

    @property
    def digest(self) -> str:
        """`sha256:...` that names the version of the data, both splits together."""
        parts = [self.train.digest, self.validation.digest if self.validation else "-"]
        return "sha256:" + hashlib.sha256("\n".join(parts).encode()).hexdigest()


def ingest(spec: VisionFineTuneSpec, settings: Settings, tick: Tick = lambda done: None) -> Dataset:
    """Read train and validation data. Raises `BadConfigError` (place) or `BadDatasetError` (content)."""
    train = read_split("train", spec.dataset.train, spec, settings, tick)
    validation = None
    if spec.dataset.validation is not None:
        validation = read_split("validation", spec.dataset.validation, spec, settings, tick)
    return Dataset(train, validation)


def read_split(
    name: str, source: DataSource, spec: VisionFineTuneSpec, settings: Settings, tick: Tick = lambda done: None
) -> Split:
    """Read one data file and all images that it names."""
    file = locate(source, settings, f"spec.dataset.{name}")
    rules = ImageRules(file.parent, parse_size(spec.dataset.image.max_bytes))
    reader = _Reader(SHAPES[spec.dataset.format], rules)
    rows: list[Row] = []
    problems: list[str] = []
    for line, raw in _lines(file):
        try:
            rows.append(reader.read(raw, line))
        except BadRowError as error:
            problems.append(f"row {line}: {error}")
        tick(len(rows) + len(problems))
    if problems:
        raise BadDatasetError(_summary(name, file, problems, len(rows)))
    if not rows:
        raise BadDatasetError(f"{name} data {file.name} has no rows; write one JSON object a line.")
    return Split(name, file, tuple(rows), rules, reader.digest())


def locate(source: DataSource, settings: Settings, field: str) -> Path:
    """The JSONL file that `source` names. Raises `BadConfigError` or `BadDatasetError`."""
    if source.pvc is None:
        raise BadConfigError(f"{field}: only a pvc source can be read by this version; put the data on a claim.")
    path = places.in_claim(settings, source.pvc.claim_name, source.pvc.path, f"{field}.pvc.path")
    try:
        if path.is_dir():
            path = path / DATA_FILE
        found = path.is_file()
    except OSError as error:
        raise _unreadable(path, error) from error
    if not found:
        raise BadDatasetError(
            f"{field}.pvc.path: {source.pvc.path!r} holds no data on the claim {source.pvc.claim_name!r}: "
            f"name a JSONL file, or a folder with {DATA_FILE} in it."
        )
    return path


class _Reader:
    """Parses rows and checks their images, each image once; keeps the digest of all that was read."""

    def __init__(self, shape: Callable[[Any, int, Path], Row], rules: ImageRules) -> None:
        self._shape = shape
        self._rules = rules
        self._hash = hashlib.sha256()
        self._checked: dict[Path, BadRowError | None] = {}

    def read(self, raw: bytes, line: int) -> Row:
        self._hash.update(raw)
        row = self._shape(_parse_json(raw), line, self._rules.folder)
        for picture in row.pictures:
            self._check(picture)
        return row

    def _check(self, picture: Picture) -> None:
        if isinstance(picture.source, bytes):  # its bytes are part of the line, and so of the digest
            open_rgb(read_bytes(picture, self._rules), picture_name(picture, self._rules))
            return
        if picture.source not in self._checked:
            self._checked[picture.source] = self._examine(picture)
        problem = self._checked[picture.source]
        if problem is not None:
            raise problem

    def _examine(self, picture: Picture) -> BadRowError | None:
        try:
            data = read_bytes(picture, self._rules)
            self._hash.update(hashlib.sha256(data).digest())
            open_rgb(data, picture_name(picture, self._rules))
        except BadRowError as error:
            return error
        return None

    def digest(self) -> str:
        return self._hash.hexdigest()


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank, with their numbers from 1. Raises `BadDatasetError` for an unreadable file."""
    try:
        with open_plain(file) as stream:
            number = 0
            while raw := stream.readline(MAX_LINE_BYTES + 1):
                number += 1
                if len(raw) > MAX_LINE_BYTES:
                    raise BadDatasetError(
                        f"{file.name} row {number} is longer than {MAX_LINE_BYTES // 2**20} MiB: put the images into "
                        "files beside the data file, or write one JSON object a line."
                    )
                if number == 1:
                    raw = raw.removeprefix(codecs.BOM_UTF8)  # some editors begin a file with it
                if raw.strip():
                    yield number, raw
    except OSError as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: OSError) -> BadDatasetError:
    return BadDatasetError(f"{file} cannot be read ({error}). Check the file and that user 10001 may read it.")


def _parse_json(raw: bytes) -> Any:
    try:
        # Without its line end: a row that was cut off is then told as such, not as a wrong character.
        return json.loads(raw.decode("utf-8").rstrip("\r\n"), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise BadRowError("", f"is not UTF-8 (byte {error.start + 1}); save the file as UTF-8") from None
    except json.JSONDecodeError as error:
        what = error.msg.removesuffix(" at").removesuffix(" starting")
        raise BadRowError("", f"is not JSON ({what}, column {error.colno}); write one JSON object a line") from None
    except BadRowError:
        raise
    except ValueError:  # Python reads no longer number than this
        raise BadRowError(
            "", f"holds an integer of more than {sys.get_int_max_str_digits():,} digits; write it as a string"
        ) from None
    except RecursionError:
        raise BadRowError("", "is nested too deeply; write a plain object {messages: [...]}") from None


def _refuse_constant(name: str) -> Any:
    raise BadRowError("", f"holds {name}, which is not JSON; use a number or null")


def _summary(name: str, file: Path, problems: list[str], good: int) -> str:
    named = "; ".join(problems[:NAMED_ROWS])
    more = f"; and {len(problems) - NAMED_ROWS} more" if len(problems) > NAMED_ROWS else ""
    rows = "1 row" if len(problems) == 1 else f"{len(problems)} rows"
    return f"{name} data {file.name}: {rows} of {good + len(problems)} cannot be used: {named}{more}."
