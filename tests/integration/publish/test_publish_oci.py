"""Artifacts in a real OCI registry: the manifest, who may push, and uploads that go on after a cut."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import registry.server
from registry.server import ACCOUNTS, docker_config
from support import downloads
from support.downloads import from_registry, problem
from support.faulty_server import Answer, Fault, FaultyServer, Request, forward
from support.small_artifacts import OWNER, write_artifact
from visionft_api.spec import OciOutput, SecretRef
from visionft_trainer.artifacts.artifact import Artifact
from visionft_trainer.artifacts.publish.oci import OciDestination
from visionft_trainer.artifacts.publish.registry import Registry
from visionft_trainer.errors import BadConfigError, StorageFailedError
from visionft_trainer.settings import Settings


@pytest.fixture
def faulty(oci: registry.server.Registry) -> Iterator[FaultyServer]:
    """The registry behind a server that fails on demand, and that knows what was asked."""
    with FaultyServer(forward("127.0.0.1", oci.port)).running() as server:
        yield server


@pytest.fixture(scope="module")
def guarded() -> Iterator[registry.server.Registry]:
    with registry.server.running(ACCOUNTS) as server:
        yield server


def at(host: str, name: str, settings: Settings = Settings(), **fields: Any) -> OciDestination:  # noqa: B008
    output = OciOutput(repository=f"{host}/{name}", **fields)
    return OciDestination(output, OWNER, settings, lambda _: None, piece_bytes=50_000)


def put(place: OciDestination, *artifacts: Artifact) -> list[str]:
    return [published.uri for published in place.put(artifacts, lambda done, total: None)]


def test_manifest_and_files(oci: registry.server.Registry, tmp_path: Path) -> None:
    artifact = write_artifact(tmp_path)
    place = at(oci.host, "team/lines")
    place.check()
    (uri,) = put(place, artifact)
    digest = uri.removeprefix(f"oci://{oci.host}/team/lines@")
    content = downloads.get(f"http://{oci.host}/v2/team/lines/manifests/tiny-run-1-adapter")
    assert digest == "sha256:" + hashlib.sha256(content).hexdigest()
    manifest = json.loads(content)
    assert manifest["artifactType"] == "application/vnd.visionft.adapter.v1"
    assert manifest["config"]["mediaType"] == "application/vnd.oci.empty.v1+json"
    assert manifest["annotations"] == {
        "dev.visionft.digest": artifact.digest,
        "org.opencontainers.image.created": "2026-01-31T08:00:00Z",
    }
    for reference in (digest, "tiny-run-1-adapter"):
        copy = from_registry(oci.host, "team/lines", reference, tmp_path / reference[-8:])
        assert problem(copy, artifact.digest) is None


def test_two_artifacts_have_two_tags(oci: registry.server.Registry, tmp_path: Path) -> None:
    put(at(oci.host, "both"), write_artifact(tmp_path), write_artifact(tmp_path, "merged", seed=1))
    assert sorted(downloads.tags(oci.host, "both")) == ["tiny-run-1-adapter", "tiny-run-1-merged"]


def test_blobs_that_are_there_are_not_sent_again(faulty: FaultyServer, tmp_path: Path) -> None:
    artifact = write_artifact(tmp_path, seed=7)
    host = faulty.url.removeprefix("http://")
    first = put(at(host, "again"), artifact)
    faulty.requests.clear()
    assert put(at(host, "again"), artifact) == first
    assert {request.method for request in faulty.requests if "/blobs/" in request.path} == {"HEAD"}


def test_a_cut_blob_goes_on_with_the_pieces_that_came(faulty: FaultyServer, tmp_path: Path) -> None:
    artifact = write_artifact(tmp_path, seed=8, sizes=(250_000,))
    patches = [Fault(), Fault(), Fault(status=503)]
    faulty.methods["PATCH"] = patches
    put(at(faulty.url.removeprefix("http://"), "pieces"), artifact)
    ranges = [request.headers["content-range"] for request in faulty.requests if request.method == "PATCH"]
    assert ranges == ["0-49999", "50000-99999", "100000-149999", "100000-149999", "150000-199999", "200000-249999"]


def test_an_upload_that_the_registry_forgot_begins_anew(faulty: FaultyServer, tmp_path: Path) -> None:
    artifact = write_artifact(tmp_path, seed=9, sizes=(120_000,))
    faulty.methods["PATCH"] = [Fault(), Fault(status=404)]
    host = faulty.url.removeprefix("http://")
    (uri,) = put(at(host, "forgot"), artifact)
    copy = from_registry(host, "forgot", uri.partition("@")[2], tmp_path / "copy")
    assert problem(copy, artifact.digest) is None


def test_a_blob_that_lies_in_another_store_is_there(faulty: FaultyServer, tmp_path: Path) -> None:
    """Registries before an object store send to it also whoever only asks."""
    artifact = write_artifact(tmp_path, seed=11)
    host = faulty.url.removeprefix("http://")
    first = put(at(host, "elsewhere"), artifact)
    files = len(list(artifact.folder.iterdir())) + 1  # and the empty configuration
    faulty.methods["HEAD"] = [Fault(status=307, headers={"location": "http://127.0.0.1:9/blob"})] * files
    faulty.requests.clear()
    assert put(at(host, "elsewhere"), artifact) == first
    assert not any(request.method == "POST" for request in faulty.requests)


@pytest.mark.parametrize(("status", "said"), [(200, "POST by 200"), (202, "202 without saying"), (302, "POST by 302")])
def test_what_is_no_registry_is_told_at_once(status: int, said: str) -> None:
    with FaultyServer(lambda request: Answer(status, {}, b"<html>Sign in</html>")).running() as server:
        host = server.url.removeprefix("http://")
        with pytest.raises(StorageFailedError) as error:
            at(host, "x").check()
        assert len(server.requests) == 1
    assert f"spec.output.oci.repository: {host} does not speak as a registry: it answers {said}" in str(error.value)


@pytest.mark.parametrize("repository", ["acme", "acme/lines"])
def test_a_repository_without_its_registry(repository: str) -> None:
    """Docker would take it for one of docker.io; a host called acme is not meant."""
    place = OciDestination(OciOutput(repository=repository), OWNER, Settings())
    with pytest.raises(BadConfigError, match=rf"does not name its registry.*such as docker\.io/{repository} "):
        place.check()


def test_who_may_push(guarded: registry.server.Registry, tmp_path: Path) -> None:
    artifact = write_artifact(tmp_path)
    with pytest.raises(StorageFailedError, match=r"must not be written \(the registry says 401.*Name a Secret in"):
        at(guarded.host, "x", secret_ref=SecretRef(name="push")).check()
    wrong = Settings(docker_config=docker_config(tmp_path, guarded.host, password="wrong"))
    with pytest.raises(StorageFailedError, match=r"the registry says 401, UNAUTHORIZED.*Check the Secret of"):
        at(guarded.host, "x", wrong).check()
    right = Settings(docker_config=docker_config(tmp_path, guarded.host))
    assert put(at(guarded.host, "x", right), artifact)


def test_credentials_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(BadConfigError, match=r"secretRef: .* is not a dockerconfigjson .* kubectl create secret"):
        at("127.0.0.1:9", "x", Settings(docker_config=tmp_path / "config.json")).check()


def test_rights_by_a_token(oci: registry.server.Registry, tmp_path: Path) -> None:
    """As the large registries give them: a token for this repository, from a server beside the registry."""
    relay = forward("127.0.0.1", oci.port)

    def respond(request: Request) -> Answer:
        if request.path.startswith("/token"):
            good = request.headers.get("authorization", "").startswith("Basic ")
            return Answer(200 if good else 403, {}, b'{"token": "T1"}')
        if request.headers.get("authorization") != "Bearer T1":
            asks = f'Bearer realm="{server.url}/token",service="tests",scope="repository:byToken:pull,push"'
            return Answer(401, {"www-authenticate": asks}, b"")
        return relay(request)

    with FaultyServer(respond).running() as server:
        host = server.url.removeprefix("http://")
        artifact = write_artifact(tmp_path, seed=3)
        put(at(host, "bytoken", Settings(docker_config=docker_config(tmp_path, host))), artifact)
        asked = [request.path for request in server.requests if request.path.startswith("/token")]
    assert asked == ["/token?scope=repository%3AbyToken%3Apull%2Cpush&service=tests"]
    assert problem(from_registry(oci.host, "bytoken", "tiny-run-1-adapter", tmp_path / "copy")) is None


def test_a_password_is_not_sent_where_everybody_reads(tmp_path: Path) -> None:
    def respond(request: Request) -> Answer:
        return Answer(401, {"www-authenticate": 'Bearer realm="http://elsewhere.example/token"'}, b"")

    with FaultyServer(respond).running() as server:
        host = server.url.removeprefix("http://")
        with pytest.raises(StorageFailedError, match=r"sends to 'http://elsewhere\.example/token'.* is not https"):
            at(host, "x", Settings(docker_config=docker_config(tmp_path, host))).check()


@pytest.mark.parametrize(
    ("status", "words"),
    [(403, "must not be written"), (413, "has no room .*maxShardSize"), (405, "refuses the upload")],
)
def test_refusals(faulty: FaultyServer, tmp_path: Path, status: int, words: str) -> None:
    faulty.methods["PUT"] = [Fault(), Fault(status=status)]
    with pytest.raises(StorageFailedError, match=rf"spec\.output\.oci: 127.*{words}"):
        put(at(faulty.url.removeprefix("http://"), "refused"), write_artifact(tmp_path, seed=status))


def test_nobody_listens() -> None:
    with pytest.raises(StorageFailedError, match=r"oci: its uploads of 127\.0\.0\.1:9/x could not be written"):
        at("127.0.0.1:9", "x").check()


def test_only_this_machine_is_spoken_to_without_tls() -> None:
    assert Registry("registry.example/x", None, "f")._base == "https://registry.example/v2/x/"
    assert Registry("localhost.example:80/x", None, "f")._base.startswith("https://")
    assert Registry("[::1]:5000/x", None, "f")._base.startswith("http://[::1]:5000/")
    assert Registry("docker.io/a/b", None, "f")._base == "https://registry-1.docker.io/v2/a/b/"
