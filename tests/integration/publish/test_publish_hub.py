"""Artifacts on the hub, by the hub's own library against a server that speaks its API: one commit, or none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants
from support.downloads import problem
from support.faulty_server import Fault, FaultyServer
from support.hub_server import HubModels
from support.small_artifacts import OWNER, write_artifact
from visionft_api.spec import HubOutput, SecretRef
from visionft_trainer.artifacts.artifact import Artifact
from visionft_trainer.artifacts.publish.hub import HubDestination
from visionft_trainer.errors import StorageFailedError
from visionft_trainer.settings import Settings

TOKEN, REPO = "hf_test", "team/lines"


@pytest.fixture
def hub() -> HubModels:
    return HubModels(TOKEN)


@pytest.fixture
def server(hub: HubModels, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FaultyServer]:
    with FaultyServer(hub).running() as server:
        hub.url = server.url
        # What the environment does before the library is first imported.
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        yield server


def at(token: str = TOKEN, **fields: Any) -> HubDestination:
    output = HubOutput(**{"repo": REPO, "secret_ref": SecretRef(name="hub"), **fields})
    return HubDestination(output, OWNER, Settings(secrets={"OUTPUT_HUB_HF_TOKEN": token}), lambda _: None)


def put(place: HubDestination, *artifacts: Artifact) -> list[str]:
    return [published.uri for published in place.put(artifacts, lambda done, total: None)]


def copy(files: dict[str, bytes], folder: Path, top: str = "") -> Path:
    folder.mkdir()
    for name, content in files.items():
        if name.startswith(top):
            (folder / name.removeprefix(top)).write_bytes(content)
    return folder


def test_one_artifact_lies_at_the_top_in_one_commit(server: FaultyServer, hub: HubModels, tmp_path: Path) -> None:
    artifact = write_artifact(tmp_path)
    at().check()
    assert hub.private[REPO] is True
    (uri,) = put(at(), artifact)
    assert uri == f"hf://{REPO}@{hub._commit_of(REPO, 'main')}"
    assert len(hub.commits[REPO]["main"]) == 2
    assert problem(copy(hub.files(REPO), tmp_path / "copy"), artifact.digest) is None


def test_two_artifacts_have_folders_and_the_page_a_card(server: FaultyServer, hub: HubModels, tmp_path: Path) -> None:
    adapter, merged = write_artifact(tmp_path), write_artifact(tmp_path, "merged", seed=1)
    uris = put(at(private=False), adapter, merged)
    assert [uri.rpartition("/")[2] for uri in uris] == ["adapter", "merged"]
    assert hub.private[REPO] is False
    assert hub.files(REPO)["README.md"] == (merged.folder / "README.md").read_bytes()
    for artifact in (adapter, merged):
        found = copy(hub.files(REPO), tmp_path / f"{artifact.kind}-copy", f"{artifact.kind}/")
        assert problem(found, artifact.digest) is None


def test_the_next_run_leaves_nothing_of_the_last_one(server: FaultyServer, hub: HubModels, tmp_path: Path) -> None:
    put(at(), write_artifact(tmp_path / "first", sizes=(10, 20, 30)))
    hub.files(REPO)["notes.txt"] = b"of the user"
    new = write_artifact(tmp_path / "second", seed=1)
    put(at(), new)
    assert hub.files(REPO).pop("notes.txt") == b"of the user"
    assert problem(copy(hub.files(REPO), tmp_path / "copy"), new.digest) is None


def test_a_branch(server: FaultyServer, hub: HubModels, tmp_path: Path) -> None:
    artifact = write_artifact(tmp_path)
    put(at(revision="trial"), artifact)
    assert list(hub.files(REPO, "main")) == [".gitattributes"]
    assert problem(copy(hub.files(REPO, "trial"), tmp_path / "copy"), artifact.digest) is None


def test_what_was_uploaded_before_a_cut_is_not_sent_again(server: FaultyServer, hub: HubModels, tmp_path: Path) -> None:
    artifact = write_artifact(tmp_path, sizes=(10, 20))
    server.faults["/commit/"] = [Fault(status=403)]
    with pytest.raises(
        StorageFailedError, match=r"spec\.output\.hub: team/lines must not be written \(the hub says 403"
    ):
        put(at(), artifact)
    assert len(hub.commits[REPO]["main"]) == 1
    assert sum("/lfs/" in request.path and request.method == "PUT" for request in server.requests) == 2
    server.requests.clear()
    (uri,) = put(at(), artifact)
    assert not any("/lfs/" in request.path and request.method == "PUT" for request in server.requests)
    assert put(at(), artifact) == [uri]
    assert len(hub.commits[REPO]["main"]) == 2


def test_refusals(server: FaultyServer, hub: HubModels, tmp_path: Path) -> None:
    with pytest.raises(
        StorageFailedError, match=r"must not be written .* into the Secret of spec\.output\.hub\.secretRef"
    ):
        at("hf_wrong").check()
    server.faults["/lfs/"] = [Fault(status=507)]
    with pytest.raises(StorageFailedError, match=r"team/lines has no room"):
        put(at(), write_artifact(tmp_path))
    assert len(hub.commits[REPO]["main"]) == 1
