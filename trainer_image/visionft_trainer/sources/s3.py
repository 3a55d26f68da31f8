"""Data in an S3 bucket: AWS, or any server that speaks its protocol."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from visionft_api.spec.dataset import S3Source

from visionft_trainer.data.containers.files import KINDS, PICTURE_NAMERS, ending_of, set_of
from visionft_trainer.errors import BadDatasetError
from visionft_trainer.servers.patience import READING, PassingError, Sleep
from visionft_trainer.servers.s3 import Asked, meaning, open_store, place_of
from visionft_trainer.settings import Settings
from visionft_trainer.sources.local import LocalData, at
from visionft_trainer.sources.transfer import filling, in_parallel, inside, need_room, persevere

PART_BYTES = 2**16  # written at once; what came before a cut is kept


@dataclass(frozen=True)
class Item:
    """One object of a bucket."""

    key: str
    size: int
    tag: str | None
    """The ETag of these bytes."""


def fetch(
    source: S3Source, settings: Settings, split: str, field: str, scratch: Path, sleep: Sleep = time.sleep
) -> LocalData:
    """Download the file, the folder or the shards that the prefix names, with the pictures beside them.

    Raises:
        BadConfigError: no credentials.
        BadDatasetError: no such bucket, access denied, nothing under the prefix, or an object changed on the way.
        RunError: the server cannot be reached or keeps failing.
        StorageFailedError: the disk is too small.
    """
    bucket = _Bucket(source, settings, split, field, sleep)
    prefix = source.prefix.strip("/")
    parent, items = bucket.chosen(prefix)
    if not items:
        raise BadDatasetError(
            f"{field}.prefix: the bucket {source.bucket!r} has nothing under {source.prefix!r}. Name a data file, a "
            "folder, or what the names of several shards begin with."
        )
    top = scratch / source.bucket
    top.mkdir(parents=True, exist_ok=True)
    need_room(top, sum(item.size for item in items), field)
    targets = [(item, inside(top, item.key.removeprefix(parent), field, BadDatasetError)) for item in items]
    with filling(top, field):
        in_parallel(lambda pair: bucket.download(*pair), targets)
    place = top / f"{prefix}/".removeprefix(parent)
    found = at(place)
    assert found is not None  # it was listed
    return found


class _Bucket:
    """A bucket, and what its errors mean to the user."""

    def __init__(self, source: S3Source, settings: Settings, split: str, field: str, sleep: Sleep) -> None:
        self._name, self._field, self._sleep = source.bucket, field, sleep
        self._where = place_of(source)
        self._store = open_store(source, settings, split, field, READING, signed=source.secret_ref is not None)

    def chosen(self, prefix: str) -> tuple[str, Sequence[Item]]:
        """The objects that `prefix` names, and the beginning of their keys that is no part of their place here."""
        below = self._listed(prefix)
        if below or not prefix:
            return f"{prefix}/" if prefix else "", below
        parent = f"{prefix.rpartition('/')[0]}/" if "/" in prefix else ""
        beside = self._listed(parent, deep=False)
        files = [item for item in beside if item.key == prefix] or [
            item for item in beside if _is_shard(item.key.removeprefix(parent), PurePosixPath(prefix).name)
        ]
        if files and _names_pictures(files[0].key):
            return parent, [*files, *_pictures(self._listed(parent))]
        return parent, files

    def download(self, item: Item, target: Path) -> None:
        """Stream an object to `target`, going on where a connection was cut."""
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch(exist_ok=False)
        except (FileExistsError, NotADirectoryError):
            raise BadDatasetError(
                f"{self._field}: {self._where} has both a file and a folder {item.key!r}; rename one of them."
            ) from None
        persevere(
            lambda: self._attempt(item, target),
            lambda: target.stat().st_size,
            f"{self._field}: {self._where}/{item.key}",
            self._sleep,
        )

    def _attempt(self, item: Item, target: Path) -> None:
        import obstore
        from obstore.exceptions import BaseError, PreconditionError

        begun = target.stat().st_size
        if begun == item.size:
            return
        options: dict[str, Any] = {"if_match": item.tag} if item.tag else {}
        if begun:
            options["range"] = {"offset": begun}
        try:
            with target.open("ab") as file:
                for piece in obstore.get(self._store, item.key, options=options).stream(min_chunk_size=PART_BYTES):  # type: ignore[arg-type]
                    file.write(piece)
        except (PreconditionError, FileNotFoundError):
            raise BadDatasetError(
                f"{self._field}: {self._where}/{item.key} was changed or removed while it was read. Start again when "
                "nothing writes there."
            ) from None
        except BaseError as error:
            raise self._meaning(error) from None
        size = target.stat().st_size
        if size < item.size:
            raise PassingError(f"{size:,} of {item.size:,} bytes came")
        if size > item.size:
            raise BadDatasetError(f"{self._field}: {self._where}/{item.key} grew while it was read. Start again.")

    def _listed(self, prefix: str, *, deep: bool = True) -> list[Item]:
        """All objects below `prefix`, the empty ones that stand for folders left out."""
        found: list[Item] = []

        def attempt() -> None:
            found.clear()
            found.extend(self._list(prefix, deep=deep))

        persevere(attempt, lambda: 0, f"{self._field}: {self._where}", self._sleep)
        return found

    def _list(self, prefix: str, *, deep: bool) -> Iterator[Item]:
        import obstore
        from obstore.exceptions import BaseError

        try:
            if deep:
                pages: Iterable[Any] = obstore.list(self._store, prefix=prefix or None)
            else:
                pages = [obstore.list_with_delimiter(self._store, prefix=prefix or None)["objects"]]
            for page in pages:
                for entry in page:
                    if entry["size"] or "." in PurePosixPath(entry["path"]).name:
                        yield Item(entry["path"], entry["size"], entry["e_tag"])
        except (BaseError, FileNotFoundError) as error:
            raise self._meaning(error) from None

    def _meaning(self, error: Exception) -> Exception:
        return meaning(error, Asked(self._field, self._where, "list and read", BadDatasetError))


def _is_shard(name: str, common: str) -> bool:
    return "/" not in name and ending_of(name) is not None and set_of(Path(name)) == common


def _names_pictures(key: str) -> bool:
    """Whether a data file of this kind names pictures beside it, rather than holding them."""
    ending = ending_of(key)
    return ending is not None and KINDS[ending] in PICTURE_NAMERS


def _pictures(items: Sequence[Item]) -> Iterator[Item]:
    return (item for item in items if ending_of(item.key) is None)
