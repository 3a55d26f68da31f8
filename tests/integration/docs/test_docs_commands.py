"""The commands of the pages, run as they stand there, on few rows and for few steps."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.command import visionft_trainer
from visionft_trainer import cli

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
STEPS = 4  # of each training here; the pages name later checkpoints
AFTER_A_RUN = ("evaluate.md", "export.md", "verify.md", "report.md")
PAGES = ("workstation.md", "check-data.md", "training.md", "estimate.md", *AFTER_A_RUN)
COMMAND = re.compile(r"    (?:\$ )?(visionft-trainer .+)|    \$ (.+)")
ERROR = "    visionft-trainer: "


@dataclass(frozen=True)
class Shown:
    """A command of a page."""

    program: str | None
    shell: str | None
    error: str | None
    """The first line of the error that the page shows."""


def commands(page: Path) -> list[Shown]:
    lines = page.read_text(encoding="utf-8").splitlines()
    found = []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if match := COMMAND.fullmatch(line):
            error = following.strip() if following.startswith(ERROR) else None
            found.append(Shown(match[1], match[2], error))
    return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the pages speak of: examples, their data, and manifests under the names that pages use."""
    place = tmp_path_factory.mktemp("docs")
    script = ROOT / "examples" / "demo" / "make_data.py"
    subprocess.run(
        [sys.executable, script, "--out", place / "digits", "--train", "16", "--validation", "2"], check=True
    )
    shutil.copytree(ROOT / "examples" / "demo" / "model", place / "digits" / "model")
    text = (ROOT / "examples" / "digits.yaml").read_text(encoding="utf-8")
    for long, short in {'epochs: "2"': f"maxSteps: {STEPS}", "batchSize: 16": "batchSize: 4"}.items():
        assert long in text
        text = text.replace(long, short)
    (place / "examples").mkdir()
    (place / "examples" / "digits.yaml").write_text(text)
    renamed = text.replace("pvc://digits/", "pvc://data/").replace(
        "claimName: digits, path: tuned", "claimName: results"
    )
    (place / "manifest.yaml").write_text(renamed.replace("claimName: digits", "claimName: data"))
    (place / "data").symlink_to("digits")
    (place / "results").mkdir()
    seven = re.search(r"```yaml\n(apiVersion.*?)```", (DOCS / "estimate.md").read_text(encoding="utf-8"), re.DOTALL)
    assert seven
    (place / "seven.yaml").write_text(seven[1])
    (place / "benchmarks").symlink_to(ROOT / "benchmarks")
    (place / "tests").symlink_to(ROOT / "tests")
    return place


@pytest.fixture(scope="module")
def world_after_a_run(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, with what the run of the first page leaves."""
    place = tmp_path_factory.mktemp("after") / "here"
    shutil.copytree(world, place, symlinks=True)
    pvc = f"digits={place / 'digits'}"
    done = visionft_trainer("run", place / "examples" / "digits.yaml", "--pvc", pvc, "--quiet")
    assert done.returncode == 0, done.stderr
    return place


@pytest.mark.parametrize("name", PAGES)
def test_commands_of_a_page(
    name: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = tmp_path / "here"
    world = request.getfixturevalue("world_after_a_run" if name in AFTER_A_RUN else "world")
    shutil.copytree(world, place, symlinks=True)
    monkeypatch.chdir(place)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    found = commands(DOCS / name)
    assert any(shown.program for shown in found)
    for shown in found:
        if shown.shell:
            subprocess.run(shown.shell, shell=True, check=True, env={**os.environ, "PATH": path})
        if shown.program:
            capsys.readouterr()
            code = cli.main(re.sub(r"checkpoint-\d+", f"checkpoint-{STEPS}", shown.program).split()[1:])
            errors = capsys.readouterr().err
            assert bool(code) == bool(shown.error), f"{shown.program}: {code}\n{errors}"
            assert shown.error is None or shown.error in errors
