"""The run's folder: two resources never mix, and a workstation finds its runs again."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from support.tiny_spec import OUTPUT_CLAIM, tiny_run
from visionft_trainer.errors import BadConfigError, StorageFailedError
from visionft_trainer.settings import Settings
from visionft_trainer.storage import atomic, folder


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    output = tmp_path / "out"
    output.mkdir()
    return Settings(claims={OUTPUT_CLAIM: output})


def claim(tmp_path: Path, settings: Settings, **run: Any) -> folder.RunFolder:
    return folder.claim(tiny_run(tmp_path, **run), settings)


def test_same_run_gets_the_same_folder(tmp_path: Path, settings: Settings) -> None:
    first = claim(tmp_path, settings, uid="a", run=2)
    assert claim(tmp_path, settings, uid="a", run=2) == first
    assert first.path == tmp_path / "out" / "tiny" / "run-2"
    assert first.uri(first.adapter) == "pvc://results/tiny/run-2/adapter"


def test_next_run_of_the_same_resource_lies_beside_it(tmp_path: Path, settings: Settings) -> None:
    claim(tmp_path, settings, uid="a", run=1)
    second = claim(tmp_path, settings, uid="a", run=2, training={"maxSteps": 7})
    assert second.path.name == "run-2"


@pytest.mark.parametrize("path", ["rows.jsonl", "rows.jsonl/tuned"])
def test_a_file_in_the_way_is_told(tmp_path: Path, settings: Settings, path: str) -> None:
    (tmp_path / "out" / "rows.jsonl").write_text("{}")
    with pytest.raises(BadConfigError, match=rf"output\.pvc\.path: .*{path} cannot be a folder.*Choose another path"):
        claim(tmp_path, settings, output={"pvc": {"claimName": OUTPUT_CLAIM, "path": path}})


@pytest.mark.parametrize("run", [1, 2])
def test_another_resource_is_refused(tmp_path: Path, settings: Settings, run: int) -> None:
    claim(tmp_path, settings, uid="a", name="other", output={"pvc": {"claimName": OUTPUT_CLAIM, "path": "tiny"}})
    with pytest.raises(BadConfigError, match=r"tiny/run-1 belongs to team/other \(uid a\), not to .*Choose another"):
        claim(tmp_path, settings, uid="b", run=run)


def test_a_resource_that_was_deleted_and_applied_again_leaves_the_old_results_alone(
    tmp_path: Path, settings: Settings
) -> None:
    old = claim(tmp_path, settings, uid="0123456789ab")
    new = claim(tmp_path, settings, uid="ba9876543210")
    assert new.path == tmp_path / "out" / "tiny" / "tiny-ba987654" / "run-1"
    assert new.uri(new.adapter) == "pvc://results/tiny/tiny-ba987654/run-1/adapter"
    assert claim(tmp_path, settings, uid="ba9876543210") == new, "a pod that goes on finds it again"
    shutil.rmtree(old.path)
    assert claim(tmp_path, settings, uid="ba9876543210") == new, "also when the old results have been removed"
    assert claim(tmp_path, settings, uid="ba9876543210", run=2).path == new.path.with_name("run-2")


def test_workstation_and_cluster_do_not_mix(tmp_path: Path, settings: Settings) -> None:
    claim(tmp_path, settings)
    with pytest.raises(BadConfigError, match="of a workstation"):
        claim(tmp_path, settings, uid="a")


def test_same_run_with_another_spec_is_refused(tmp_path: Path, settings: Settings) -> None:
    claim(tmp_path, settings, uid="a")
    with pytest.raises(BadConfigError, match=r"run-1 was started with another spec .*runPolicy\.rerun"):
        claim(tmp_path, settings, uid="a", training={"maxSteps": 7})


def test_workstation_numbers_runs_by_their_spec(tmp_path: Path, settings: Settings) -> None:
    assert claim(tmp_path, settings).path.name == "run-1"
    assert claim(tmp_path, settings, training={"maxSteps": 7}).path.name == "run-2"
    assert claim(tmp_path, settings).path.name == "run-1"


def test_foreign_owner_file_is_refused(tmp_path: Path, settings: Settings) -> None:
    place = claim(tmp_path, settings, uid="a")
    (place.path / folder.OWNER_FILE).write_text("{}")
    with pytest.raises(BadConfigError, match="is not an owner file of visionft"):
        claim(tmp_path, settings, uid="a")


def test_output_path_may_not_leave_the_claim(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "out" / "tiny").symlink_to(tmp_path)
    with pytest.raises(BadConfigError, match="leads out of the claim"):
        claim(tmp_path, settings)


def test_unfinished_files_are_swept(tmp_path: Path, settings: Settings) -> None:
    place = claim(tmp_path, settings, uid="a")
    (place.path / f"{atomic.UNFINISHED_PREFIX}merged").mkdir()
    (place.checkpoints / f"{atomic.UNFINISHED_PREFIX}checkpoint-3").mkdir()
    claim(tmp_path, settings, uid="a")
    assert not list(place.path.rglob(f"{atomic.UNFINISHED_PREFIX}*"))


def test_output_that_is_no_folder_is_a_storage_failure(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(StorageFailedError, match=r"cannot be written .*No space left on device.*Free space"):
        claim(tmp_path, settings, uid="a")


def test_new_folder_is_there_wholly_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "adapter"
    with atomic.new_folder(target) as draft:
        (draft / "a").write_text("1")

    def interrupted() -> None:
        with atomic.new_folder(target) as draft:
            (draft / "a").write_text("2")
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    assert (target / "a").read_text() == "1"
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]


def test_a_run_without_a_claim_works_in_the_workspace(tmp_path: Path) -> None:
    run_file = tiny_run(tmp_path, uid="a", run=3, output={"pvc": None, "s3": {"bucket": "models"}})
    place = folder.claim(run_file, Settings(workspace=tmp_path / "work"))
    assert place.path == tmp_path / "work" / "tiny" / "run-3"
    assert folder.claim(run_file, Settings(workspace=tmp_path / "work")) == place, (
        "a process that goes on finds it again"
    )
