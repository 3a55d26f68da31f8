"""Artifacts in a real S3 server: the keys, what is sent again, and what a refusal says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from objectstore.server import ObjectStore
from obstore.store import S3Store
from support.downloads import BUCKET, from_bucket, in_bucket, keys_below, problem
from support.faulty_server import Answer, Fault, FaultyServer, forward
from support.small_artifacts import OWNER, write_artifact
from visionft_api.spec import S3Output
from visionft_trainer.artifacts.artifact import Artifact
from visionft_trainer.artifacts.publish import s3
from visionft_trainer.artifacts.publish.s3 import S3Destination
from visionft_trainer.errors import StorageFailedError
from visionft_trainer.servers.patience import WRITING
from visionft_trainer.settings import Settings
from visionft_trainer.storage.folder import Owner


@pytest.fixture
def faulty(store: ObjectStore) -> Iterator[FaultyServer]:
    """The store behind a server that fails on demand, and that knows what was asked."""
    with FaultyServer(forward("127.0.0.1", store.port)).running() as server:
        yield server


def at(url: str, keys: Settings, prefix: str, *, owner: Owner = OWNER, **fields: Any) -> S3Destination:
    output = S3Output(**{"endpoint": url, "bucket": BUCKET, "prefix": prefix, **fields})
    return S3Destination(output, owner, keys, sleep=lambda _: None)


def put(place: S3Destination, *artifacts: Artifact) -> list[str]:
    return [published.uri for published in place.put(artifacts, lambda done, total: None)]


def sent(server: FaultyServer) -> list[str]:
    return [request.path.rpartition("/")[2].partition("?")[0] for request in server.requests if request.method == "PUT"]


def test_keys_and_digests(store: ObjectStore, bucket: S3Store, keys: Settings, tmp_path: Path) -> None:
    adapter, merged = write_artifact(tmp_path), write_artifact(tmp_path, "merged", sizes=(10, 20))
    ticks: list[tuple[int, int]] = []
    place = at(store.url, keys, "/team/lines/")
    place.check()
    published = place.put([adapter, merged], lambda done, total: ticks.append((done, total)))
    assert [(each.uri, each.digest) for each in published] == [
        ("s3://models/team/lines/run-1/adapter", adapter.digest),
        ("s3://models/team/lines/run-1/merged", merged.digest),
    ]
    assert ticks[-1] == (adapter.size + merged.size,) * 2
    for artifact in (adapter, merged):
        copy = from_bucket(bucket, f"team/lines/run-1/{artifact.kind}", tmp_path / f"{artifact.kind}-copy")
        assert problem(copy, artifact.digest) is None
    names = {path.name for path in adapter.folder.iterdir()}
    assert keys_below(bucket, "team/lines/run-1/adapter") == {f"team/lines/run-1/adapter/{name}" for name in names}


def test_what_is_there_is_not_sent_again(faulty: FaultyServer, keys: Settings, tmp_path: Path) -> None:
    artifact = write_artifact(tmp_path)
    put(at(faulty.url, keys, "again"), artifact)
    assert sent(faulty)[-2:] == ["provenance.json", "SHA256SUMS"]
    faulty.requests.clear()
    put(at(faulty.url, keys, "again"), artifact)
    assert sent(faulty) == []


def test_another_artifact_ends_the_old_one_before_it_replaces_it(
    faulty: FaultyServer, bucket: S3Store, keys: Settings, tmp_path: Path
) -> None:
    put(at(faulty.url, keys, "other"), write_artifact(tmp_path, sizes=(10, 20, 30)))
    new = write_artifact(tmp_path, seed=1, sizes=(40, 50))
    faulty.faults["model-00000"] = [Fault(status=503)] * WRITING.attempts
    with pytest.raises(StorageFailedError, match=r"sends what is missing; .* trains nothing again"):
        put(at(faulty.url, keys, "other"), new)
    assert not in_bucket(bucket, "other/run-1/adapter")
    put(at(faulty.url, keys, "other"), new)
    assert problem(from_bucket(bucket, "other/run-1/adapter", tmp_path / "copy"), new.digest) is None


def test_large_files_go_in_parts(
    faulty: FaultyServer, bucket: S3Store, keys: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "PART_BYTES", 5 * 2**20)  # the least that S3 takes
    artifact = write_artifact(tmp_path, sizes=(6 * 2**20,))
    put(at(faulty.url, keys, "parts"), artifact)
    assert sum("partNumber" in request.path for request in faulty.requests) == 2
    assert problem(from_bucket(bucket, "parts/run-1/adapter", tmp_path / "copy"), artifact.digest) is None


def test_another_resources_artifacts_stay(store: ObjectStore, keys: Settings, tmp_path: Path) -> None:
    put(at(store.url, keys, "shared"), write_artifact(tmp_path))
    other = Owner(uid="0123", namespace="team", name="other", run=1, spec_hash="abcd")
    with pytest.raises(StorageFailedError, match=r"\.prefix: .*/adapter holds what team/tiny/0123 .*Choose another"):
        at(store.url, keys, "shared", owner=other).check()


WRONG_KEYS = Settings(secrets={"OUTPUT_S3_AWS_ACCESS_KEY_ID": "nobody", "OUTPUT_S3_AWS_SECRET_ACCESS_KEY": "x"})


def test_refusals_before_the_training(store: ObjectStore, keys: Settings) -> None:
    with pytest.raises(
        StorageFailedError, match=r"output\.s3\.bucket: there is no such bucket: s3://nowhere/.*NoSuchBucket"
    ):
        at(store.url, keys, "", bucket="nowhere").check()
    with pytest.raises(
        StorageFailedError, match=r"access to s3://models/.* is denied \(the server says .*Check AWS_ACCESS_KEY_ID"
    ):
        at(store.url, WRONG_KEYS, "").check()
    with pytest.raises(StorageFailedError, match=r"spec\.output\.s3: s3://models/.* could not be written"):
        at("http://127.0.0.1:9", keys, "").check()


def test_a_web_page_is_no_bucket(keys: Settings) -> None:
    """As the console of a store, which stands at another port and answers everything."""
    page = Answer(200, {"ETag": "x", "Last-Modified": "Wed, 21 Oct 2026 07:28:00 GMT"}, b"<html>Sign in</html>")
    with FaultyServer(lambda request: page).running() as server, pytest.raises(StorageFailedError) as error:
        at(server.url, keys, "x").check()
    assert f"spec.output.s3.endpoint: {server.url} does not give back what was written" in str(error.value)


def test_a_bucket_in_another_region_is_told_at_once(keys: Settings) -> None:
    """As AWS does: 301, and no word of where to."""
    error = b"<Error><Code>PermanentRedirect</Code><Message>Use the endpoint of the region.</Message></Error>"
    with FaultyServer(lambda request: Answer(301, {}, error)).running() as server:
        with pytest.raises(
            StorageFailedError, match=r"s3\.bucket: s3://models/.* lies in another region .*Set AWS_REGION"
        ):
            at(server.url, keys, "x").check()
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (403, "is denied .*list, read, write and delete"),
        (507, "has no room .*Raise the bucket's quota"),
        (400, "is refused"),
    ],
)
def test_refusals_in_the_middle(faulty: FaultyServer, keys: Settings, tmp_path: Path, status: int, words: str) -> None:
    faulty.faults["provenance.json"] = [Fault(status=404), Fault(status=status)]
    with pytest.raises(StorageFailedError, match=rf"spec\.output\.s3: .*s3://models/.*{words}"):
        put(at(faulty.url, keys, f"refused-{status}"), write_artifact(tmp_path))
    assert "SHA256SUMS" not in sent(faulty)


def test_passing_failures_are_waited_for(faulty: FaultyServer, bucket: S3Store, keys: Settings, tmp_path: Path) -> None:
    faulty.faults["model-"] = [Fault(status=500), Fault(status=429), Fault(status=503)]
    artifact = write_artifact(tmp_path)
    put(at(faulty.url, keys, "passing"), artifact)
    assert problem(from_bucket(bucket, "passing/run-1/adapter", tmp_path / "copy"), artifact.digest) is None
