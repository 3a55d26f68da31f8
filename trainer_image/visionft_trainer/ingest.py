"""Stage 1: read the data files and every image once, before any model is touched.

All rows are looked at, so that one round of mending is enough: the error counts the bad ones and names the first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from visionft_api.quantities import parse_size
from visionft_api.spec import DatasetSpec, DataSource, VisionFineTuneSpec

from visionft_trainer import containers
from visionft_trainer.containers import Record
from visionft_trainer.disk_list import DiskList
from visionft_trainer.errors import BadDatasetError
from visionft_trainer.images import ImageRules, open_rgb, picture_name, read_bytes
from visionft_trainer.rows import BadRowError, Boxes, Picture, Row, Text
from visionft_trainer.scratch import Scratch
from visionft_trainer.settings import Settings
from visionft_trainer.shapes import SHAPES, Context
from visionft_trainer.sources import data

NAMED_ROWS = 5  # bad rows spelt out in the error; the rest are counted

Tick = Callable[[int], None]
"""Called with the rows done so far; how many there are is not known before the end."""


@dataclass(frozen=True)
class Split:
    """The rows of one data set, each with its pictures read and found sound once."""

    name: str
    """`train` or `validation`."""
    title: str
    """How errors call the data, such as `lines.jsonl`."""
    rows: Sequence[Row]
    """On disk; each access reads one."""
    rules: ImageRules
    digest: str
    """sha256 over the content of all rows and pictures, in their order; the container does not matter."""


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


def ingest(spec: VisionFineTuneSpec, settings: Settings, scratch: Scratch, tick: Tick = lambda done: None) -> Dataset:
    """Read train and validation data. Raises `BadConfigError` (place) or `BadDatasetError` (content)."""
    train = read_split("train", spec.dataset.train, spec.dataset, settings, scratch, tick)
    validation = None
    if spec.dataset.validation is not None:
        validation = read_split("validation", spec.dataset.validation, spec.dataset, settings, scratch, tick)
    return Dataset(train, validation)


def read_split(
    name: str,
    source: DataSource,
    dataset: DatasetSpec,
    settings: Settings,
    scratch: Scratch,
    tick: Tick = lambda done: None,
) -> Split:
    """Read the rows of one source and all images that they name."""
    local = data.fetch(source, settings, f"spec.dataset.{name}")
    rules = ImageRules(local.folder, parse_size(dataset.image.max_bytes))
    title = local.place.name
    reading = _Reading(dataset, rules, tick)
    rows = DiskList.write(scratch.file(f"{name}.rows"), reading.sound(containers.read(local.place, local.folder)))
    if reading.problems:
        raise BadDatasetError(_summary(name, title, reading.problems, len(rows)))
    if not rows:
        raise BadDatasetError(f"{name} data {title} has no rows; write one JSON object a line.")
    return Split(name, title, rows, rules, reading.digest())


@dataclass
class _Reading:
    """Turns records into rows and checks their images, each file once; keeps the digest of all that was read."""

    dataset: DatasetSpec
    rules: ImageRules
    tick: Tick
    problems: list[str] = field(default_factory=list)
    _hash: hashlib._Hash = field(default_factory=hashlib.sha256)
    _files: dict[Path, bytes | BadRowError] = field(default_factory=dict)

    def sound(self, records: Iterator[Record]) -> Iterator[Row]:
        """The rows that can be used; the others end in `problems`."""
        for done, record in enumerate(records, start=1):
            try:
                yield self._row(record)
            except BadRowError as error:
                self.problems.append(f"row {record.where.row}: {error}")
            self.tick(done)

    def digest(self) -> str:
        return self._hash.hexdigest()

    def _row(self, record: Record) -> Row:
        if isinstance(record.value, BadRowError):
            raise record.value
        row = SHAPES[self.dataset.format](record.value, Context(record.where, self.rules.folder, self.dataset))
        digests = [self._checked(picture) for picture in row.pictures]
        self._hash.update(_content(row, iter(digests)))
        return row

    def _checked(self, picture: Picture) -> bytes:
        """The digest of a sound picture. Raises `BadRowError`."""
        if not isinstance(picture.source, Path):
            return self._examine(picture)
        if picture.source not in self._files:
            try:
                self._files[picture.source] = self._examine(picture)
            except BadRowError as error:
                self._files[picture.source] = error
        known = self._files[picture.source]
        if isinstance(known, BadRowError):
            raise known
        return known

    def _examine(self, picture: Picture) -> bytes:
        encoded = read_bytes(picture, self.rules)
        open_rgb(encoded, picture_name(picture, self.rules))
        return hashlib.sha256(encoded).digest()


def _content(row: Row, pictures: Iterator[bytes]) -> bytes:
    """What the digest of the data sees of a row: roles, words, boxes, and each picture by its own digest."""
    seen = hashlib.sha256()
    for message in row.messages:
        seen.update(message.role.encode())
        for part in message.parts:
            match part:
                case Text(text, others):
                    seen.update("\0text\0".join(("", text, *others)).encode())
                case Picture():
                    seen.update(b"\0picture\0" + next(pictures))
                case Boxes():
                    seen.update(b"\0boxes\0" + repr(part).encode())
        seen.update(b"\n")
    return seen.digest()


def _summary(name: str, title: str, problems: list[str], good: int) -> str:
    named = "; ".join(problems[:NAMED_ROWS])
    more = f"; and {len(problems) - NAMED_ROWS} more" if len(problems) > NAMED_ROWS else ""
    rows = "1 row" if len(problems) == 1 else f"{len(problems)} rows"
    return f"{name} data {title}: {rows} of {good + len(problems)} cannot be used: {named}{more}."
