"""A spec with other destinations: what another run has made is taken over, wholly or not at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.downloads import problem
from support.made_runs import MOMENT, made_run
from support.tiny_spec import OUTPUT_CLAIM, tiny_run
from visionft_api.run_file import RunFile
from visionft_trainer.artifacts.artifact import stored
from visionft_trainer.page.cost import read_cost
from visionft_trainer.reporting.progress import Progress
from visionft_trainer.reporting.report import Result, read_result
from visionft_trainer.settings import Settings
from visionft_trainer.stages.take_over import take_over
from visionft_trainer.storage import atomic, digest, folder
from visionft_trainer.storage.folder import RunFolder
from visionft_trainer.storage.resolved import read_resolved


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "out").mkdir()
    return Settings(claims={OUTPUT_CLAIM: tmp_path / "out"}, workspace=tmp_path / "workspace")


def to_bucket(place: Path, bucket: str, run: int = 1, uid: str = "a", **sections: Any) -> RunFile:
    output = {"s3": {"bucket": bucket}, "merged": True} | sections.pop("output", {})
    return tiny_run(place, uid=uid, run=run, output=output, **sections)


def taken(run_file: RunFile, settings: Settings, progress: Progress | None = None) -> tuple[RunFolder, Result | None]:
    place = folder.claim(run_file, settings)
    return place, take_over(run_file, place, progress or Progress(), MOMENT.replace(hour=9))


def whole(place: RunFolder) -> bool:
    sound = [artifact.kind for artifact in stored(place.artifacts) if problem(artifact.folder) is None]
    files = (place.answers, place.data_report, place.provenance, place.sources, place.samples / "000-0.jpg")
    return sound == ["adapter", "merged"] and all(file.is_file() for file in files)


@pytest.mark.parametrize("uid", ["a", ""], ids=["pod", "workstation"])
def test_a_corrected_destination_takes_over_what_was_made(tmp_path: Path, settings: Settings, uid: str) -> None:
    first = made_run(to_bucket(tmp_path, "wrong", uid=uid), settings)
    before = digest.manifest(first.path)
    progress = Progress()
    second, result = taken(to_bucket(tmp_path, "right", run=2, uid=uid), settings, progress)
    assert (second.path.name, second.owner.run) == ("run-2", 2)
    assert whole(second)
    assert [each.digest for each in stored(second.artifacts)] == [each.digest for each in stored(first.artifacts)]
    weights = "model-00000.safetensors"
    assert (second.merged / weights).samefile(first.merged / weights), "nothing is held twice"
    assert result is not None
    assert (result.run, result.trained_in, result.spec_hash) == (2, 1, second.owner.spec_hash)
    assert result.resolved.spec_hash == second.owner.spec_hash
    assert read_resolved(second) == result.resolved
    assert progress.snapshot.notes[0].startswith("Run 2 takes over what run 1 trained: their specs differ in dest")
    assert result.notes == [*progress.snapshot.notes, "Stopped at step 6, which was the best."]
    assert read_result(second, second.exported) == result, "a pod that goes on finds it"
    took = read_cost(second.cost)
    assert [(each.run, sum(each.seconds.values())) for each in took.attempts] == [(1, 3600.0)]
    assert digest.manifest(first.path) == before


def test_without_hard_links_files_are_copied(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: Any) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", unknown)
    first = made_run(to_bucket(tmp_path, "wrong"), settings)
    second, result = taken(to_bucket(tmp_path, "right", run=2), settings)
    assert result is not None
    assert whole(second)
    assert not (second.merged / "README.md").samefile(first.merged / "README.md")


@pytest.mark.parametrize("at", ["adapter", "merged", "samples", "answers.jsonl", "cost.json", "exported.json"])
def test_a_take_over_that_is_interrupted_is_done_again(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    made_run(to_bucket(tmp_path, "wrong"), settings)
    run_file = to_bucket(tmp_path, "right", run=2)
    copy, write = shutil.copytree, atomic.write_text

    def copying(source: Path, target: Path, **how: Any) -> None:
        copy(source, target, **how)
        if source.name == at:
            raise KeyboardInterrupt

    def writing(target: Path, text: str) -> None:
        if target.name == at:
            raise KeyboardInterrupt
        write(target, text)

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copytree", copying)
        patched.setattr(atomic, "write_text", writing)
        with pytest.raises(KeyboardInterrupt):
            taken(run_file, settings)
    place = folder.claim(run_file, settings)
    assert read_result(place, place.exported) is None, "what is not whole does not look so"
    assert all(problem(each.folder) is None for each in stored(place.artifacts))
    _, result = taken(run_file, settings)
    assert result is not None
    assert whole(place)
    assert len(read_cost(place.cost).attempts) == 1
    assert not list(place.path.rglob(f"{atomic.UNFINISHED_PREFIX}*"))


@pytest.mark.parametrize(
    "change",
    [
        {"training": {"maxSteps": 7}},
        {"output": {"maxShardSize": "1Gi"}},
        {"runPolicy": {"rerun": "again"}},
        {"output": {"pvc": None}},
        {"uid": "b"},
    ],
    ids=["other training", "other artifacts", "rerun", "nothing is kept", "another resource of this name"],
)
def test_what_is_not_the_same_work_is_made_anew(tmp_path: Path, settings: Settings, change: dict[str, Any]) -> None:
    made_run(to_bucket(tmp_path, "wrong"), settings)
    progress = Progress()
    _, result = taken(to_bucket(tmp_path, "right", **{"run": 2, **change}), settings, progress)
    assert result is None
    assert not progress.snapshot.notes


def test_a_run_that_is_not_trained_to_its_end_is_not_taken(tmp_path: Path, settings: Settings) -> None:
    first = made_run(to_bucket(tmp_path, "wrong"), settings)
    first.exported.unlink()
    assert taken(to_bucket(tmp_path, "right", run=2), settings)[1] is None


def test_a_run_whose_manifest_is_no_plain_file_is_passed_over(tmp_path: Path, settings: Settings) -> None:
    first = made_run(to_bucket(tmp_path, "wrong"), settings)
    first.run_file.unlink()
    os.mkfifo(first.run_file)  # to read it would wait for ever
    assert taken(to_bucket(tmp_path, "right", run=2), settings)[1] is None


def test_artifacts_that_were_changed_or_removed_are_not_taken(tmp_path: Path, settings: Settings) -> None:
    made_run(to_bucket(tmp_path, "first"), settings)
    second = made_run(to_bucket(tmp_path, "second", run=2), settings)
    third = made_run(to_bucket(tmp_path, "third", run=3), settings)
    (second.adapter / "README.md").write_text("mine")
    shutil.rmtree(third.merged)
    progress = Progress()
    _, result = taken(to_bucket(tmp_path, "right", run=4), settings, progress)
    assert result is not None
    assert result.trained_in == 1, "the latest that is sound"
    said = [
        "Run 3 has trained what run 4 asks for, but its merged is not as it was written (SHA256SUMS: an artifact "
        "without it was never whole), so it is not taken over.",
        "Run 2 has trained what run 4 asks for, but its adapter is not as it was written (README.md: its sha256 is",
    ]
    for note, start in zip(progress.snapshot.notes, said, strict=False):
        assert note.startswith(start)
    assert result.notes == [*progress.snapshot.notes, "Stopped at step 6, which was the best."][2:]


def test_a_take_over_is_taken_over_when_its_first_run_is_gone(tmp_path: Path, settings: Settings) -> None:
    first = made_run(to_bucket(tmp_path, "first"), settings)
    taken(second_file := to_bucket(tmp_path, "second", run=2), settings)
    second = folder.claim(second_file, settings)
    atomic.write_text(second.run_file, second_file.to_text())
    shutil.rmtree(first.path)
    third, result = taken(to_bucket(tmp_path, "third", run=3), settings)
    assert result is not None
    assert whole(third)
    assert (result.trained_in, len(result.notes)) == (1, 2)
    assert result.notes[0].startswith("Run 3 takes over what run 1 trained")
    assert [attempt.run for attempt in read_cost(third.cost).attempts] == [1]
