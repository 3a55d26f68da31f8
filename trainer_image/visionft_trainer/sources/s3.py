"""Data in an S3 bucket: AWS, or any server that speaks its protocol."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from visionft_api.spec.dataset import S3Source
from visionft_api.spec.output import S3Output

from visionft_trainer.data.containers.files import KINDS, PICTURE_NAMERS, ending_of, set_of
from visionft_trainer.errors import BadConfigError, BadDatasetError
from visionft_trainer.settings import Settings
from visionft_trainer.sources.local import LocalData, at
from visionft_trainer.sources.transfer import (
    PASSING,
    InterruptedTransferError,
    Sleep,
    filling,
    in_parallel,
    inside,
    need_room,
    persevere,
)

if TYPE_CHECKING:
    from obstore.store import S3Store

TIMEOUT = timedelta(seconds=60)  # of silence
CONNECT_TIMEOUT = timedelta(seconds=10)
PART_BYTES = 2**16  # written at once; what came before a cut is kept
# What the library's errors hold of the server's answer.
STATUS, CODE = re.compile(r"status code: (\d{3})"), re.compile(r"<Code>(\w+)</Code>")
OTHER_REGION = ("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraint")
REDIRECT = "redirect without LOCATION"  # obstore's words for AWS's answer, of which it keeps neither code nor status
UNKNOWN_KEYS = ("InvalidAccessKeyId", "XAdminUserNotFound", "ExpiredToken", "InvalidToken")


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
        self._where = f"s3://{source.bucket}" + (f" at {source.endpoint}" if source.endpoint else "")
        self._store = open_store(source, settings, split, field, signed=source.secret_ref is not None)

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
            raise InterruptedTransferError(f"{size:,} of {item.size:,} bytes came")
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
        """The error for the user, or `InterruptedTransferError` for one that another try may mend."""
        code, status = answer_of(error)
        if code == "NoSuchBucket":
            return BadDatasetError(f"{self._field}.bucket: there is no bucket {self._where}. Check name and endpoint.")
        if code in OTHER_REGION:
            return BadDatasetError(
                f"{self._field}.bucket: {self._where} lies in another region ({code}). Set AWS_REGION in "
                "spec.podTemplate.env."
            )
        if status in (401, 403) or code in UNKNOWN_KEYS:
            return BadDatasetError(
                f"{self._field}: access to {self._where} is denied ({code or status}). Check AWS_ACCESS_KEY_ID and "
                f"AWS_SECRET_ACCESS_KEY in the Secret of {self._field}.secretRef, and that they may list and read."
            )
        if 400 <= status < 500 and status not in PASSING:
            return BadDatasetError(
                f"{self._field}: {self._where} answers {code or status}. Check endpoint, bucket and prefix."
            )
        return InterruptedTransferError(short(str(error)))


def answer_of(error: Exception) -> tuple[str, int]:
    """The code and the HTTP status that a server has answered, as far as the library's error tells them."""
    said = str(error)
    if REDIRECT in said:
        return OTHER_REGION[0], 301
    code = found[1] if (found := CODE.search(said)) else ""
    return code, int(found[1]) if (found := STATUS.search(said)) else 0


def open_store(source: S3Source | S3Output, settings: Settings, split: str, field: str, *, signed: bool) -> S3Store:
    """The bucket; nothing is asked of the server yet. Raises `BadConfigError` for half a pair of keys.

    Without keys, requests are signed with what the environment has where they are to be `signed`, else not at all.
    """
    from obstore.store import S3Store

    key, secret = settings.secret(split, "AWS_ACCESS_KEY_ID"), settings.secret(split, "AWS_SECRET_ACCESS_KEY")
    if bool(key) != bool(secret):
        raise BadConfigError(
            f"{field}.secretRef: the Secret has only one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; write both."
        )
    options: dict[str, Any] = {"virtual_hosted_style_request": source.endpoint is None}
    if key and secret:
        options |= {"access_key_id": key, "secret_access_key": secret}
        token = settings.secret(split, "AWS_SESSION_TOKEN")
        if token:
            options["session_token"] = token
    elif not signed:
        options["skip_signature"] = True  # a public bucket
    if source.endpoint is not None:
        options["endpoint"] = source.endpoint
    return S3Store(
        source.bucket,
        region=settings.region,
        client_options={"allow_http": True, "read_timeout": TIMEOUT, "connect_timeout": CONNECT_TIMEOUT},
        # Tries are counted here, where a download that goes on is told from one that does not.
        retry_config={"max_retries": 0, "retry_timeout": timedelta(0)},
        **options,
    )


def _is_shard(name: str, common: str) -> bool:
    return "/" not in name and ending_of(name) is not None and set_of(Path(name)) == common


def _names_pictures(key: str) -> bool:
    """Whether a data file of this kind names pictures beside it, rather than holding them."""
    ending = ending_of(key)
    return ending is not None and KINDS[ending] in PICTURE_NAMERS


def _pictures(items: Sequence[Item]) -> Iterator[Item]:
    return (item for item in items if ending_of(item.key) is None)


def short(said: str) -> str:
    """The first line of what the library says, which goes on for a page."""
    return said.splitlines()[0].removesuffix(":") if said else "no answer"
