"""Data sets of the hub, against a server that speaks its API: commits, tokens, splits, refusals, faults."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants
from support.container_rows import png
from support.faulty_server import Fault, FaultyServer
from support.hub_endpoint import set_endpoint
from support.hub_server import MAIN, OLD, HubRepository
from visionft_api.spec.dataset import HubSource
from visionft_trainer.data import containers
from visionft_trainer.errors import BadDatasetError, RunError, StorageFailedError
from visionft_trainer.settings import Settings
from visionft_trainer.sources import hub, transfer
from visionft_trainer.sources.local import LocalData
from visionft_trainer.sources.revisions import Revisions

FIELD = "spec.dataset.train.hub"
FILES = {
    "README.md": b"x",
    "train/data.jsonl": b'{"image": "1.png"}\n',
    "train/1.png": png(),
    "test/data.jsonl": b'{"image": "2.png"}\n{"image": "2.png"}\n',
    "test/2.png": png(),
    "script.py": b"raise SystemExit",
}


@pytest.fixture
def repository() -> HubRepository:
    return HubRepository("org/rows", dict(FILES))


@pytest.fixture
def server(repository: HubRepository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FaultyServer]:
    server = FaultyServer(repository)
    with server.running():
        set_endpoint(monkeypatch, server.url)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield server


def fetched(
    scratch: Path, revisions: Revisions | None = None, settings: Settings | None = None, **fields: Any
) -> LocalData:
    source = HubSource(**{"repo": "org/rows", **fields})
    kept = revisions or Revisions()
    return hub.fetch(source, settings or Settings(), "train", FIELD, scratch / "source", kept, lambda _: None)


def rows(local: LocalData) -> list[Any]:
    return [record.value for record in containers.read(local.place, local.folder, local.files)]


def test_split_with_its_pictures_and_nothing_else(server: FaultyServer, tmp_path: Path) -> None:
    local = fetched(tmp_path)
    assert rows(local) == [{"image": "1.png"}]
    assert local.place.name == "rows"
    assert {path.name for path in (tmp_path / "source").rglob("*.*") if path.suffix in (".png", ".py", ".jsonl")} == {
        "1.png",
        "data.jsonl",
    }
    assert len(rows(fetched(tmp_path / "test", split="test"))) == 2


def test_commit_is_kept_for_a_later_pod(server: FaultyServer, repository: HubRepository, tmp_path: Path) -> None:
    file = tmp_path / "sources.json"
    fetched(tmp_path / "first", Revisions(file))
    repository.commits[OLD] = {"train.jsonl": b'{"moved": 1}\n'}
    repository.branches["main"] = OLD
    assert rows(fetched(tmp_path / "second", Revisions(file))) == [{"image": "1.png"}]
    assert MAIN in file.read_text()
    assert rows(fetched(tmp_path / "other run")) == [{"moved": 1}]


def test_revision(server: FaultyServer, repository: HubRepository, tmp_path: Path) -> None:
    repository.commits[OLD] = {"train.jsonl": b'{"old": 1}\n'}
    repository.branches["v1"] = OLD
    for revision in ("v1", OLD):
        assert rows(fetched(tmp_path / revision, revision=revision)) == [{"old": 1}]


def test_token_of_the_split(server: FaultyServer, repository: HubRepository, tmp_path: Path) -> None:
    repository.token = "secret"
    settings = Settings.from_environment({"VISIONFT_SECRET_TRAIN_HF_TOKEN": "secret"})
    assert len(rows(fetched(tmp_path, settings=settings))) == 1
    assert "secret" not in repr(settings)


def test_token_of_a_workstation(
    server: FaultyServer, repository: HubRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.token = "secret"
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert len(rows(fetched(tmp_path))) == 1


def test_private_or_missing(server: FaultyServer, repository: HubRepository, tmp_path: Path) -> None:
    repository.token = "secret"
    complaint = (
        r"\.repo: the hub has no dataset org/rows, or it is private\. Check the name; for a private dataset set spec"
    )
    with pytest.raises(BadDatasetError, match=complaint):
        fetched(tmp_path)


def test_gated(server: FaultyServer, repository: HubRepository, tmp_path: Path) -> None:
    repository.gated = True
    with pytest.raises(
        BadDatasetError, match=r"\.repo: org/rows is gated\. Accept its terms .* into spec\.dataset\.train"
    ):
        fetched(tmp_path)


def test_no_such_revision(server: FaultyServer, tmp_path: Path) -> None:
    with pytest.raises(
        BadDatasetError, match=r"hub\.revision: org/rows has no revision 'v9'\. Name a branch, tag or comm"
    ):
        fetched(tmp_path, revision="v9")


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"split": "validation"}, f"{FIELD}: org/rows: it has no split 'validation'; it has test, train."),
        ({"config": "fr"}, f"{FIELD}: org/rows: it has no configuration 'fr'"),
    ],
)
def test_no_such_files(server: FaultyServer, tmp_path: Path, fields: dict[str, str], complaint: str) -> None:
    with pytest.raises(BadDatasetError) as error:
        fetched(tmp_path, **fields)
    assert complaint in str(error.value)


def test_files_of_the_card(server: FaultyServer, repository: HubRepository, tmp_path: Path) -> None:
    repository.card = {"configs": [{"config_name": "x", "data_files": [{"split": "odd", "path": "t*/data.jsonl"}]}]}
    assert len(rows(fetched(tmp_path, split="odd", config="x"))) == 3


def test_pictures_alone(server: FaultyServer, repository: HubRepository, tmp_path: Path) -> None:
    repository.commits[MAIN] = {"train/cat/1.png": png(), "train/dog/2.png": png(), "test/cat/3.png": png()}
    assert [(row["image"], row["label"]) for row in rows(fetched(tmp_path))] == [
        ("train/cat/1.png", "cat"),
        ("train/dog/2.png", "dog"),
    ]


@pytest.mark.parametrize("name", ["../train.jsonl", "/train.jsonl", "a\\train.jsonl"])
def test_names_that_lead_out(server: FaultyServer, repository: HubRepository, tmp_path: Path, name: str) -> None:
    repository.commits[MAIN] = {name: b"{}"}
    with pytest.raises(BadDatasetError, match=r"leads out of its folder|has no data files"):
        fetched(tmp_path)


def test_cut_connection(server: FaultyServer, repository: HubRepository, tmp_path: Path, no_pause: None) -> None:
    data = b'{"a": "' + os.urandom(100_000).hex().encode() + b'"}\n'
    repository.commits[MAIN] = {"train.jsonl": data}
    server.faults["resolve"] = [Fault(), Fault(cut_after=60_000)]
    assert fetched(tmp_path).files[0].read_bytes() == data  # type: ignore[index]


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)


def test_failure_then_recovery(server: FaultyServer, tmp_path: Path, no_pause: None) -> None:
    server.faults["/api/datasets"] = [Fault(status=503)]
    server.faults["resolve"] = [Fault(status=503)]
    assert len(rows(fetched(tmp_path))) == 1


def test_hub_that_keeps_failing(server: FaultyServer, tmp_path: Path, no_pause: None) -> None:
    server.faults["/api/datasets"] = [Fault(status=500)] * 99
    with pytest.raises(
        RunError, match=r"hub\.repo: org/rows could not be fetched from the hub .*copy the data to a claim"
    ) as error:
        fetched(tmp_path)
    assert type(error.value) is RunError


def test_nobody_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_pause: None) -> None:
    set_endpoint(monkeypatch, "http://127.0.0.1:9")
    with pytest.raises(RunError, match=r"could not be fetched from the hub"):
        fetched(tmp_path)


@pytest.mark.parametrize("status", [401, 403])
def test_refused_token(server: FaultyServer, tmp_path: Path, status: int) -> None:
    server.faults["resolve"] = [Fault(status=status)] * 9
    with pytest.raises(BadDatasetError, match=r"hub\.repo"):
        fetched(tmp_path)


def test_disk_that_is_too_small(server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "SPARE_BYTES", 2**60)
    with pytest.raises(StorageFailedError, match=r"\.hub: .* cannot hold it \([\d,]+ bytes are needed and 0 are"):
        fetched(tmp_path)
