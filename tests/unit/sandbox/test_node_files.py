"""A container's root folder, its termination message, its logs."""

from pathlib import Path
from typing import Any

import pytest
from sandbox.node.images import Image, is_valid_reference
from sandbox.node.logfile import tail_offset, termination_message
from sandbox.node.rootfs import Mount, RootfsError, build_rootfs, link_tmp


def container(*paths: str) -> dict[str, Any]:
    return {"name": "c", "volumeMounts": [{"name": "v", "mountPath": path} for path in paths]}


def volume(path: Path, **files: str) -> Path:
    path.mkdir()
    for name, text in files.items():
        (path / name).write_text(text)
    return path


def test_volumes_stand_where_they_are_mounted(tmp_path: Path) -> None:
    outer, inner = volume(tmp_path / "outer", a="1"), volume(tmp_path / "inner", b="2")
    mounts = [Mount("/mnt/x/y", inner, "", False), Mount("/data", outer, "", False)]
    rootfs = build_rootfs(tmp_path / "root", container("/mnt/x/y", "/data"), mounts, tmp_path / "term")
    assert Path(rootfs.paths.rewrite("/data/a")).read_text() == "1"
    assert Path(rootfs.paths.rewrite("/mnt/x/y/b")).read_text() == "2"
    assert [entry.name for entry in Path(rootfs.paths.rewrite("/mnt/x")).iterdir()] == ["y"]


def test_sub_path_of_a_claim_is_made_and_of_a_config_map_is_copied(tmp_path: Path) -> None:
    claim, config = volume(tmp_path / "claim"), volume(tmp_path / "config", key="1")
    mounts = [Mount("/out", claim, "runs/1", False), Mount("/etc/app.conf", config, "key", True)]
    rootfs = build_rootfs(tmp_path / "root", container("/out", "/etc/app.conf"), mounts, tmp_path / "term")
    (rootfs.paths.place("/out") / "file").write_text("x")
    assert (claim / "runs/1/file").read_text() == "x"
    (config / "key").write_text("2")
    assert rootfs.paths.place("/etc/app.conf").read_text() == "1"


def test_sub_path_cannot_leave_the_volume(tmp_path: Path) -> None:
    mounts = [Mount("/out", volume(tmp_path / "claim"), "../other", False)]
    with pytest.raises(RootfsError, match="subPath"):
        build_rootfs(tmp_path / "root", container("/out"), mounts, tmp_path / "term")


def test_a_restart_gets_a_fresh_root_but_the_same_volumes(tmp_path: Path) -> None:
    mounts = [Mount("/data", volume(tmp_path / "v", a="1"), "", False)]
    first = build_rootfs(tmp_path / "root", container("/data"), mounts, tmp_path / "t1")
    (first.paths.root / "scratch").write_text("x")
    second = build_rootfs(tmp_path / "root", container("/data"), mounts, tmp_path / "t2")
    assert not (second.paths.root / "scratch").exists()
    assert (tmp_path / "v" / "a").read_text() == "1"


def test_termination_log_written_in_place_is_read(tmp_path: Path) -> None:
    rootfs = build_rootfs(tmp_path / "root", container(), [], tmp_path / "term")
    Path(rootfs.paths.rewrite("/dev/termination-log")).write_text("verdict")
    assert not rootfs.termination_log_replaced(container())
    assert rootfs.termination_log.read_text() == "verdict"


def test_termination_log_replaced_by_a_rename_is_lost_as_on_a_real_node(tmp_path: Path) -> None:
    rootfs = build_rootfs(tmp_path / "root", container(), [], tmp_path / "term")
    seen = Path(rootfs.paths.rewrite("/dev/termination-log"))
    (seen.parent / "new").write_text("verdict")
    (seen.parent / "new").replace(seen)
    assert rootfs.termination_log_replaced(container())
    assert rootfs.termination_log.read_text() == ""


def test_tmp_has_a_short_name_and_is_the_mounted_one(tmp_path: Path) -> None:
    scratch = volume(tmp_path / "scratch")
    rootfs = build_rootfs(tmp_path / "root", container("/tmp"), [Mount("/tmp", scratch, "", False)], tmp_path / "term")
    (link_tmp(tmp_path / "t" / "1", rootfs.paths) / "x").write_text("1")
    assert (scratch / "x").read_text() == "1"


@pytest.mark.parametrize(
    ("message", "policy", "code", "expected"),
    [
        ("", "File", 1, ""),
        ("", "FallbackToLogsOnError", 0, ""),
        ("", "FallbackToLogsOnError", 1, "last line\n"),
        ("told", "FallbackToLogsOnError", 1, "told"),
        ("x" * 5000, "File", 0, "x" * 4096),
    ],
    ids=["no-fallback", "no-error", "fallback", "told", "cut"],
)
def test_termination_message(tmp_path: Path, message: str, policy: str, code: int, expected: str) -> None:
    (tmp_path / "term").write_text(message)
    (tmp_path / "log").write_text("\n" * 100 + "last line\n")
    assert termination_message(tmp_path / "term", tmp_path / "log", policy, code).lstrip("\n") == expected


@pytest.mark.parametrize(("lines", "expected"), [(0, ""), (1, "c"), (2, "b\nc"), (9, "a\nb\nc")])
@pytest.mark.parametrize("end", ["", "\n"])
def test_tail(tmp_path: Path, lines: int, expected: str, end: str) -> None:
    log = tmp_path / "log"
    log.write_text(f"a\nb\nc{end}")
    assert log.read_text()[tail_offset(log, lines) :] == (expected + end if lines else "")


def test_tail_of_a_long_file(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"line {number}\n" for number in range(5000)))
    assert log.read_text()[tail_offset(log, 2000) :].splitlines()[0] == "line 3000"


@pytest.mark.parametrize("name", ["visionft/trainer:0.1.0", "busybox", "a/b@sha256:" + "0" * 64])
def test_image_references_that_can_be(name: str) -> None:
    assert is_valid_reference(name)


@pytest.mark.parametrize("name", ["", "Upper/Case", "a b", "x:", "-x"])
def test_image_references_that_cannot_be(name: str) -> None:
    assert not is_valid_reference(name)


def test_image_id_is_a_digest_reference() -> None:
    name, _, digest = Image("visionft/trainer:0.1.0").image_id.partition("@sha256:")
    assert (name, len(digest)) == ("visionft/trainer", 64)
