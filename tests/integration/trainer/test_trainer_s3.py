"""Rows from a real S3 server: files, folders, shards; refusals; connections that are cut."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import obstore
import pytest
from objectstore.server import ACCESS_KEY, SECRET_KEY, ObjectStore, running
from support.container_rows import png
from support.faulty_server import Fault, FaultyServer, forward
from visionft_api.spec.dataset import S3Source
from visionft_trainer.data import containers
from visionft_trainer.errors import BadConfigError, BadDatasetError, RunError, StorageFailedError
from visionft_trainer.servers.patience import READING
from visionft_trainer.settings import Settings
from visionft_trainer.sources import s3, transfer
from visionft_trainer.sources.local import LocalData

FIELD = "spec.dataset.train.s3"
SECRETS = {"TRAIN_AWS_ACCESS_KEY_ID": ACCESS_KEY, "TRAIN_AWS_SECRET_ACCESS_KEY": SECRET_KEY}
NOISE = os.urandom(300_000)
OBJECTS = {
    "set/data.jsonl": b'{"image": "images/1.png"}\n',
    "set/images/1.png": png(),
    "set/other.csv": b"a,b\n1,2\n",
    "shards/train-00000-of-00002.jsonl": b'{"a": 0}\n',
    "shards/train-00001-of-00002.jsonl": b'{"a": 1}\n',
    "shards/test-00000-of-00001.jsonl": b'{"a": 2}\n',
    "single.jsonl": b'{"a": 3}\n',
    "single.jsonl.backup": b"{",
    "pictures/a/1.png": png(),
    "pictures/b/2.png": png(),
    "big/noise.png": NOISE,
    "big/sub/folder/": b"",
    "many/data.jsonl": b"".join(b'{"image": "%d.png"}\n' % index for index in range(60)),
    **{f"many/{index}.png": png(index) for index in range(60)},
}


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    with running() as store:
        (store.folder / "rows").mkdir()
        bucket = store.client("rows")
        for key, data in OBJECTS.items():
            obstore.put(bucket, key, data)
        yield store


@pytest.fixture
def proxy(store: ObjectStore) -> Iterator[FaultyServer]:
    """The store behind a server that fails on demand."""
    server = FaultyServer(forward("127.0.0.1", store.port))
    with server.running():
        yield server


def fetched(url: str, scratch: Path, prefix: str, settings: Settings | None = None, **fields: Any) -> LocalData:
    source = S3Source(**{"endpoint": url, "bucket": "rows", "prefix": prefix, **fields})
    settings = settings or Settings(secrets=SECRETS)
    return s3.fetch(source, settings, "train", FIELD, scratch / "train.source", lambda _: None)


def rows(local: LocalData) -> list[Any]:
    return [record.value for record in containers.read(local.place, local.folder, local.files)]


@pytest.mark.parametrize("prefix", ["set", "set/", "/set/"])
def test_folder(store: ObjectStore, tmp_path: Path, prefix: str) -> None:
    local = fetched(store.url, tmp_path, prefix)
    assert rows(local) == [{"image": "images/1.png"}]
    assert (local.folder / "images" / "1.png").read_bytes() == png()


def test_file_comes_with_the_pictures_beside_it(store: ObjectStore, tmp_path: Path) -> None:
    local = fetched(store.url, tmp_path, "set/data.jsonl")
    assert rows(local) == [{"image": "images/1.png"}]
    assert sorted(path.name for path in tmp_path.rglob("*.*g") if path.is_file()) == ["1.png"]
    assert not list(tmp_path.rglob("other.csv"))


def test_file_at_the_top(store: ObjectStore, tmp_path: Path) -> None:
    assert rows(fetched(store.url, tmp_path, "single.jsonl")) == [{"a": 3}]


def test_shards_by_their_common_name(store: ObjectStore, tmp_path: Path) -> None:
    assert rows(fetched(store.url, tmp_path, "shards/train")) == [{"a": 0}, {"a": 1}]
    assert not list(tmp_path.rglob("test-*"))


def test_folder_of_pictures(store: ObjectStore, tmp_path: Path) -> None:
    found = rows(fetched(store.url, tmp_path, "pictures"))
    assert [(row["image"], row["label"]) for row in found] == [("a/1.png", "a"), ("b/2.png", "b")]


def test_many_objects_at_a_time(store: ObjectStore, tmp_path: Path) -> None:
    local = fetched(store.url, tmp_path, "many")
    assert all((local.folder / f"{index}.png").read_bytes() == png(index) for index in range(60))


def test_nothing_under_the_prefix(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(
        BadDatasetError, match=r"\.prefix: the bucket 'rows' has nothing under 'nope'\. Name a data file"
    ):
        fetched(store.url, tmp_path, "nope")


def test_no_such_bucket(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(
        BadDatasetError, match=r"\.bucket: there is no such bucket: s3://nope at http://.* Make it, or mend the name"
    ):
        fetched(store.url, tmp_path, "set", bucket="nope")


@pytest.mark.parametrize(
    ("key", "secret", "code"),
    [
        (ACCESS_KEY, "wrong", "SignatureDoesNotMatch"),
        ("wrong", SECRET_KEY, "XAdminUserNotFound"),
        ("", "", "AccessDenied"),
    ],
)
def test_denied(store: ObjectStore, tmp_path: Path, key: str, secret: str, code: str) -> None:
    settings = Settings(secrets={"TRAIN_AWS_ACCESS_KEY_ID": key, "TRAIN_AWS_SECRET_ACCESS_KEY": secret})
    with pytest.raises(BadDatasetError) as error:
        fetched(store.url, tmp_path, "set", settings)
    said = str(error.value)
    assert said.startswith(f"{FIELD}: access to s3://rows at {store.url} is denied (the server says ")
    assert f" {code}). " in said
    assert f"in the Secret of {FIELD}.secretRef" in said
    assert "wrong" not in str(error.value)


def test_half_of_the_keys(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(BadConfigError, match=r"secretRef: the Secret has only one of AWS_ACCESS_KEY_ID and AWS_SECRET"):
        fetched(store.url, tmp_path, "set", Settings(secrets={"TRAIN_AWS_ACCESS_KEY_ID": ACCESS_KEY}))


def test_keys_of_a_workstation(store: ObjectStore, tmp_path: Path) -> None:
    settings = Settings.from_environment({"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY})
    assert rows(fetched(store.url, tmp_path, "single.jsonl", settings)) == [{"a": 3}]


def test_other_region(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(
        BadDatasetError, match=r"lies in another region \(.*AuthorizationHeaderMalformed\)\. Set AWS_REGION"
    ):
        fetched(store.url, tmp_path, "set", Settings(secrets=SECRETS, region="eu-west-1"))


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"s3://rows at http://127\.0\.0\.1:9 could not be fetched") as error:
        fetched("http://127.0.0.1:9", tmp_path, "set")
    assert type(error.value) is RunError
    assert len(str(error.value)) < 500


def test_cut_connections_go_on_where_they_were(proxy: FaultyServer, tmp_path: Path) -> None:
    proxy.faults["noise.png"] = [Fault(cut_after=200_000), Fault(status=503), Fault(cut_after=90_000)]
    local = fetched(proxy.url, tmp_path, "big")
    assert (local.folder / "noise.png").read_bytes() == NOISE
    asked = [request.headers for request in proxy.requests if "noise.png" in request.path]
    assert len(asked) == 4
    assert "range" not in asked[0]
    assert all(headers["range"].startswith("bytes=") for headers in asked[1:])
    assert len({headers["if-match"] for headers in asked}) == 1


@pytest.mark.parametrize("status", [500, 503, 429])
def test_failure_then_recovery(proxy: FaultyServer, tmp_path: Path, status: int) -> None:
    proxy.faults["list-type"] = [Fault(status=status)] * 2
    proxy.faults["single.jsonl"] = [Fault(status=status)] * 2
    assert rows(fetched(proxy.url, tmp_path, "single.jsonl")) == [{"a": 3}]


def test_server_that_keeps_failing(proxy: FaultyServer, tmp_path: Path) -> None:
    proxy.faults["noise.png"] = [Fault(status=503)] * 99
    with pytest.raises(RunError, match=r"s3://rows at .*/big/noise\.png could not be fetched .*503"):
        fetched(proxy.url, tmp_path, "big")
    assert sum("noise.png" in request.path for request in proxy.requests) == READING.attempts


def test_refused_in_the_middle(proxy: FaultyServer, tmp_path: Path) -> None:
    proxy.faults["noise.png"] = [Fault(cut_after=100_000), Fault(status=403)]
    with pytest.raises(BadDatasetError, match=r"is denied \(the server says 403\)"):
        fetched(proxy.url, tmp_path, "big")


def test_object_that_changed_on_the_way(proxy: FaultyServer, tmp_path: Path) -> None:
    proxy.faults["noise.png"] = [Fault(cut_after=100_000), Fault(status=412)]
    with pytest.raises(BadDatasetError, match=r"noise\.png was changed or removed while it was read\. Start again"):
        fetched(proxy.url, tmp_path, "big")


def test_object_that_is_gone(proxy: FaultyServer, tmp_path: Path) -> None:
    proxy.faults["noise.png"] = [Fault(status=404)]
    with pytest.raises(BadDatasetError, match=r"noise\.png was changed or removed while it was read"):
        fetched(proxy.url, tmp_path, "big")


def test_disk_that_is_too_small(store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "SPARE_BYTES", 2**60)
    with pytest.raises(StorageFailedError, match=r"cannot hold it \(300,000 bytes are needed and 0 are free\)"):
        fetched(store.url, tmp_path, "big")
