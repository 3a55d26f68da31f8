"""A named pipe in the place of a file is told or passed over; nobody waits for what may never be written to it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.command import visionft_trainer
from support.small_artifacts import write_artifact
from support.tiny_spec import OUTPUT_CLAIM, tiny_run
from visionft_api.exit_codes import ExitCode
from visionft_trainer.artifacts.export_command import check_base
from visionft_trainer.errors import BadModelError
from visionft_trainer.families import FAMILIES
from visionft_trainer.settings import Settings
from visionft_trainer.sources.model_files import ModelFiles
from visionft_trainer.storage import atomic, folder
from visionft_trainer.storage.folder import RunFolder
from visionft_trainer.training import checkpoints

pytestmark = pytest.mark.timeout(60)  # who waits for a pipe waits for ever


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """The folder of a run that has just begun."""
    (tmp_path / "results").mkdir()
    run_file = tiny_run(tmp_path)
    place = folder.claim(run_file, Settings(claims={OUTPUT_CLAIM: tmp_path / "results"}))
    atomic.write_text(place.run_file, run_file.to_text())
    return place


def pipe(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def test_the_page_lacks_what_pipes_would_say(run: RunFolder, tmp_path: Path) -> None:
    for name in ("cost", "provenance", "resolved", "result", "judgement", "answers", "data_report"):
        pipe(getattr(run, name))
    pipe(run.samples / "samples.json")
    done = visionft_trainer("report", run.path, "--out", tmp_path / "page.html")
    assert done.returncode == ExitCode.SUCCESS, done.stderr
    assert "result.json cannot be read, so the page lacks what it says" in done.stderr
    assert "judgement.json cannot be read" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "told"),
    [("owner.json", "is not an owner file of visionft"), ("run.json", "there is no such file, or it cannot be read")],
)
def test_a_run_without_owner_or_manifest_has_no_page(run: RunFolder, tmp_path: Path, name: str, told: str) -> None:
    pipe(run.path / name)
    done = visionft_trainer("report", run.path, "--out", tmp_path / "page.html")
    assert done.returncode == ExitCode.BAD_CONFIG
    assert told in done.stderr


def test_no_page_goes_into_a_pipe(run: RunFolder, tmp_path: Path) -> None:
    pipe(tmp_path / "page.html")
    done = visionft_trainer("report", run.path, "--out", tmp_path / "page.html")
    assert done.returncode == ExitCode.BAD_CONFIG
    assert f"--out {tmp_path / 'page.html'}: is no plain file" in done.stderr


@pytest.mark.parametrize("command", ["check", "run", "estimate", "evaluate", "export"])
def test_a_manifest_is_no_pipe(command: str, tmp_path: Path) -> None:
    pipe(tmp_path / "tiny.yaml")
    done = visionft_trainer(command, tmp_path / "tiny.yaml", *(["--out", tmp_path] if command == "export" else []))
    assert done.returncode == ExitCode.BAD_CONFIG
    assert "tiny.yaml: is a named pipe" in done.stderr


@pytest.mark.parametrize("name", ["SHA256SUMS", "provenance.json"])
def test_an_artifact_with_a_pipe_is_not_as_it_left(tmp_path: Path, name: str) -> None:
    write_artifact(tmp_path)
    pipe(tmp_path / "adapter" / name)
    done = visionft_trainer("verify", tmp_path / "adapter")
    assert done.returncode != ExitCode.SUCCESS
    assert name in done.stderr
    assert "Traceback" not in done.stderr


def test_a_checkpoint_with_a_pipe_is_passed_over(tmp_path: Path) -> None:
    pipe(tmp_path / "checkpoint-2" / checkpoints.MANIFEST)
    assert checkpoints.newest_valid(tmp_path) is None


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
def test_an_adapter_with_a_pipe_is_told(tmp_path: Path, name: str) -> None:
    pipe(tmp_path / name)
    with pytest.raises(BadModelError, match=rf"{name} is a broken link, or no plain file.*Copy the folder again"):
        check_base(tmp_path, ModelFiles(tmp_path, FAMILIES[0], "tiny", None))
