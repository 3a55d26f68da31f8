"""Stage 1: read the data files and every image once, before any model is touched.

All rows are looked at, so that one round of mending is enough: the error counts the bad ones and names the first. It
carries the sound rows, for `prepare.stage` to add what preparing them finds.
Memory holds the few rows that are being read; rows, embedded pictures and what is noted of them lie on disk.
"""

from __future__ import annotations

import hashlib
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from visionft_api.quantities import parse_size
from visionft_api.spec import DatasetSpec, DataSource, VisionFineTuneSpec

from visionft_trainer.data import containers
from visionft_trainer.data.containers import Record
from visionft_trainer.data.dropped import Dropped, DroppedRows, refusal
from visionft_trainer.data.images import ImageRules, open_rgb, picture_name, read_bytes
from visionft_trainer.data.in_order import in_order, worker_count
from visionft_trainer.data.report.facts import Facts, FactsWriter, PictureFacts, look_at
from visionft_trainer.data.rows import BadRowError, Boxes, Picture, Row, Text, Where
from visionft_trainer.data.shapes import SHAPES, Context
from visionft_trainer.data.shapes.base import DATASET_FIELD
from visionft_trainer.errors import BadDatasetError, RunError
from visionft_trainer.settings import Settings
from visionft_trainer.sources import data
from visionft_trainer.sources.revisions import Revisions
from visionft_trainer.storage.blobs import Blobs
from visionft_trainer.storage.disk_list import DiskList
from visionft_trainer.storage.scratch import Scratch

PARCEL_ROWS = 32  # rows that one thread looks at in one go
PARCEL_BYTES = 8 * 2**20  # of pictures inside those rows, at which a parcel is full
KNOWN_PICTURES = 16_384  # picture files whose outcome is remembered for the rows that name them again

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
    facts: Facts
    """What was noted of each row and picture."""
    dropped: DroppedRows
    """Rows that cannot be used, where `badRows` is Drop."""

    def place(self, where: Where) -> str:
        """How errors name a row: its file too, where the data has several."""
        return place(self.title, where)


@dataclass(frozen=True)
class Dataset:
    """What a run learns from and is measured on."""

    train: Split
    validation: Split | None

    @property
    def splits(self) -> tuple[Split, ...]:
        """Those that there are."""
        return (self.train,) if self.validation is None else (self.train, self.validation)

    @property
    def digest(self) -> str:
        """`sha256:...` that names the version of the data, both splits together."""
        parts = [self.train.digest, self.validation.digest if self.validation else "-"]
        return "sha256:" + hashlib.sha256("\n".join(parts).encode()).hexdigest()


class BadRowsError(BadDatasetError):
    """Rows that cannot be used; `sound` has the splits as they are without them, where any row is left."""

    def __init__(self, message: str, sound: Sequence[Split]) -> None:
        super().__init__(message)
        self.sound = sound


def ingest(
    spec: VisionFineTuneSpec,
    settings: Settings,
    scratch: Scratch,
    tick: Tick = lambda done: None,
    revisions: Revisions | None = None,
) -> Dataset:
    """Read train and validation data; `revisions` has the commits that the run began with.

    Raises `BadRowsError` (rows), `BadConfigError` (place), `BadDatasetError` (other content), or `RunError` for a
    source that cannot be reached.
    """
    revisions = revisions or Revisions()
    workers = worker_count(spec.resources)
    splits: list[Split] = []
    bad: list[BadRowsError] = []
    for name, source in (("train", spec.dataset.train), ("validation", spec.dataset.validation)):
        if source is None:
            continue
        try:
            splits.append(read_split(name, source, spec.dataset, settings, scratch, tick, workers, revisions))
        except BadRowsError as error:
            bad.append(error)
            splits += error.sound
        except RunError:
            if not bad:
                raise
    if bad:
        raise BadRowsError("\n".join(map(str, bad)), splits)
    return Dataset(splits[0], splits[1] if len(splits) > 1 else None)


def read_split(
    name: str,
    source: DataSource,
    dataset: DatasetSpec,
    settings: Settings,
    scratch: Scratch,
    tick: Tick = lambda done: None,
    workers: int = 1,
    revisions: Revisions | None = None,
    field: str | None = None,
) -> Split:
    """Read the rows of one source and all images that they name; `workers` threads look at images.

    `field` is where the manifest has a source that says itself how its rows are read, which else is in `spec.dataset`
    and the source below it, by the split's name.
    """
    downloads = scratch.file(f"{name}.source")
    local = data.fetch(source, settings, field or f"{DATASET_FIELD}.{name}", downloads, revisions or Revisions())
    rules = ImageRules(local.folder, parse_size(dataset.image.max_bytes))
    title = local.place.name
    with (
        warnings.catch_warnings(),
        Blobs(scratch.file(f"{name}.pictures")) as blobs,
        FactsWriter(scratch.file(f"{name}.facts")) as facts,
    ):
        warnings.simplefilter("ignore")  # Pillow's on odd pictures, which are read or refused; set once for all threads
        reading = _Reading(dataset, field or DATASET_FIELD, rules, title, tick, workers, blobs, facts)
        records = containers.read(local.place, local.folder, local.files)
        rows = DiskList.write(scratch.file(f"{name}.rows"), reading.sound(records))
    dropped = reading.dropped
    split = Split(name, title, rows, rules, reading.digest(), facts.facts, dropped)
    if dropped.total and (dataset.bad_rows == "Refuse" or not rows):
        raise BadRowsError(refusal(name, title, dropped, len(rows)), [split] if rows else [])
    if not rows:
        raise BadDatasetError(f"{name} data {title} has no rows; write at least one.")
    return split


def place(title: str, where: Where) -> str:
    """`row 7`, or `part-2.jsonl row 7` where the data called `title` has several files."""
    return f"row {where.row}" if where.file == title else str(where)


@dataclass(frozen=True)
class _Seen:
    """A row and what its pictures are like, or why it cannot be used."""

    where: Where
    row: Row | BadRowError
    pictures: tuple[PictureFacts, ...] = ()


@dataclass
class _Reading:
    """Turns records into rows and checks their images; keeps the digest of all that was read."""

    dataset: DatasetSpec
    form_field: str
    """Where the manifest has the form of the rows."""
    rules: ImageRules
    title: str
    tick: Tick
    workers: int
    blobs: Blobs
    facts: FactsWriter
    dropped: DroppedRows = field(default_factory=DroppedRows)
    _hash: hashlib._Hash = field(default_factory=hashlib.sha256)

    def sound(self, records: Iterable[Record]) -> Iterator[Row]:
        """The rows that can be used; the others end in `dropped`."""
        done = 0
        looker = _Looker(self.rules)
        for parcel in in_order(looker.look, _parcels(map(self._parsed, records)), self.workers):
            for seen in parcel:
                if isinstance(seen.row, BadRowError):
                    what = f"{place(self.title, seen.where)}: {seen.row}"
                    self.dropped.add(Dropped(seen.where, what), seen.row.reason)
                else:
                    yield self._kept(seen.row, seen.pictures)
            done += len(parcel)
            self.tick(done)

    def digest(self) -> str:
        return self._hash.hexdigest()

    def _parsed(self, record: Record) -> _Seen:
        if isinstance(record.value, BadRowError):
            return _Seen(record.where, record.value)
        context = Context(record.where, self.rules.folder, self.dataset, self.form_field)
        try:
            return _Seen(record.where, SHAPES[self.dataset.format](record.value, context))
        except BadRowError as error:
            return _Seen(record.where, error)

    def _kept(self, row: Row, pictures: tuple[PictureFacts, ...]) -> Row:
        content = _content(row, iter(pictures))
        self._hash.update(content)
        self.facts.note(row, pictures, content)
        return self.blobs.outsource(row)


class _Looker:
    """Reads pictures; called by several threads."""

    def __init__(self, rules: ImageRules) -> None:
        self._rules = rules
        self._known: OrderedDict[Path, PictureFacts | BadRowError] = OrderedDict()
        self._lock = threading.Lock()

    def look(self, parcel: Sequence[_Seen]) -> list[_Seen]:
        """The rows of `parcel` with what their pictures are like."""
        return [self._look(seen) for seen in parcel]

    def _look(self, seen: _Seen) -> _Seen:
        if isinstance(seen.row, BadRowError):
            return seen
        try:
            return _Seen(seen.where, seen.row, tuple(self._facts(picture) for picture in seen.row.pictures))
        except BadRowError as error:
            return _Seen(seen.where, _bare(error))

    def _facts(self, picture: Picture) -> PictureFacts:
        if not isinstance(picture.source, Path):
            return self._examine(picture)
        known = self._known.get(picture.source)
        if known is None:
            try:
                known = self._examine(picture)
            except BadRowError as error:
                known = _bare(error)
            self._remember(picture.source, known)
        if isinstance(known, BadRowError):
            raise known
        return known

    def _remember(self, path: Path, outcome: PictureFacts | BadRowError) -> None:
        with self._lock:
            self._known[path] = outcome
            if len(self._known) > KNOWN_PICTURES:
                self._known.popitem(last=False)

    def _examine(self, picture: Picture) -> PictureFacts:
        encoded = read_bytes(picture, self._rules)
        return look_at(encoded, open_rgb(encoded, picture_name(picture, self._rules)))


def _bare(error: BadRowError) -> BadRowError:
    """The same without what it was raised from, whose traceback holds the picture."""
    return BadRowError("", str(error), reason=error.reason)


def _parcels(rows: Iterable[_Seen]) -> Iterator[list[_Seen]]:
    """Rows in their order, as many together as `PARCEL_ROWS` and `PARCEL_BYTES` allow."""
    parcel: list[_Seen] = []
    size = 0
    for seen in rows:
        parcel.append(seen)
        if not isinstance(seen.row, BadRowError):
            size += sum(len(picture.source) for picture in seen.row.pictures if isinstance(picture.source, bytes))
        if len(parcel) >= PARCEL_ROWS or size >= PARCEL_BYTES:
            yield parcel
            parcel, size = [], 0
    if parcel:
        yield parcel


def _content(row: Row, pictures: Iterator[PictureFacts]) -> bytes:
    """What the digest of the data sees of a row: roles, words, boxes, and each picture by its own digest."""
    seen = hashlib.sha256()
    for message in row.messages:
        seen.update(message.role.encode())
        for part in message.parts:
            match part:
                case Text(text, others):
                    seen.update("\0text\0".join(("", text, *others)).encode())
                case Picture():
                    seen.update(b"\0picture\0" + next(pictures).digest)
                case Boxes():
                    seen.update(b"\0boxes\0" + repr(part).encode())
        seen.update(b"\n")
    for answer in row.accepted:
        seen.update(b"\0accepted\0" + answer.encode())
    return seen.digest()
