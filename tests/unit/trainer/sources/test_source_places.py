"""Claims and ConfigMaps: data where it lies, and what is said where there is none; commits that are kept."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from visionft_api.spec import DataSource
from visionft_trainer.data import containers
from visionft_trainer.errors import BadConfigError, BadDatasetError
from visionft_trainer.settings import Settings
from visionft_trainer.sources import data
from visionft_trainer.sources.revisions import Revisions

FIELD = "spec.dataset.train"


def rows(settings: Settings, **source: Any) -> list[Any]:
    local = data.fetch(DataSource.model_validate(source), settings, FIELD, Path("/nowhere"), Revisions())
    return [record.value for record in containers.read(local.place, local.folder, local.files)]


@pytest.fixture
def mounted(tmp_path: Path) -> Settings:
    """A ConfigMap as the kubelet mounts it: keys are links into a folder that is exchanged as a whole."""
    folder = tmp_path / "maps" / "few-rows"
    (folder / "..2026").mkdir(parents=True)
    (folder / "..data").symlink_to("..2026")
    for key in ("data.jsonl", "other.csv"):
        (folder / "..2026" / key).write_text('{"a": 1}\n' if key == "data.jsonl" else "a\n2\n")
        (folder / key).symlink_to(f"..data/{key}")
    return Settings.from_environment({"VISIONFT_CONFIGMAP_ROOT": str(tmp_path / "maps")})


def test_config_map(mounted: Settings) -> None:
    assert rows(mounted, configMap={"name": "few-rows"}) == [{"a": 1}]
    assert rows(mounted, configMap={"name": "few-rows", "key": "other.csv"}) == [{"a": "2"}]


def test_key_that_is_not_there(mounted: Settings) -> None:
    with pytest.raises(BadDatasetError, match=r"configMap\.key: .* has no key 'x'; it has data\.jsonl, other\.csv\."):
        rows(mounted, configMap={"name": "few-rows", "key": "x"})


def test_config_map_that_is_not_mounted(mounted: Settings) -> None:
    with pytest.raises(
        BadConfigError, match=r"configMap\.name: the ConfigMap 'y' is not mounted here .*CONFIGMAP_ROOT"
    ):
        rows(mounted, configMap={"name": "y"})


@pytest.mark.parametrize("path", ["x", "x/data.jsonl", "shards/train", "."])
def test_claim(tmp_path: Path, path: str) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "data.jsonl").write_text('{"a": 1}\n')
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "train-00000-of-00001.jsonl").write_text('{"a": 1}\n')
    (tmp_path / "data.jsonl").write_text('{"a": 1}\n')
    assert rows(Settings(claims={"c": tmp_path}), pvc={"claimName": "c", "path": path}) == [{"a": 1}]


@pytest.mark.parametrize("stored", ["", "[]", "{", "\0"])
def test_unreadable_file_of_commits_is_begun_anew(tmp_path: Path, stored: str) -> None:
    (tmp_path / "sources.json").write_text(stored)
    revisions = Revisions(tmp_path / "sources.json")
    assert revisions.get("x") is None
    revisions.keep("x", "c0ffee")
    assert Revisions(tmp_path / "sources.json").get("x") == "c0ffee"


def test_several_processes_keep_their_commits_at_once(tmp_path: Path) -> None:
    def keep(number: int) -> None:
        for step in range(20):
            Revisions(tmp_path / "sources.json").keep("x", f"{number}-{step}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(keep, range(8)))
    assert Revisions(tmp_path / "sources.json").get("x")
    assert [path.name for path in tmp_path.iterdir()] == ["sources.json"]
