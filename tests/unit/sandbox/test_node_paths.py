"""Which values count as paths of the container, and where they lead."""

from pathlib import Path

import pytest
from sandbox.node.paths import PathMap, mounted_paths

ROOT = Path("/tmp/sandbox/pods/u/rootfs/c")
PATHS = PathMap.of(ROOT, ["/mnt/visionft/pvc/data", "/tmp", "/dev/shm", "/dev/termination-log"])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/mnt/visionft/pvc/data", f"{ROOT}/mnt/visionft/pvc/data"),
        ("/mnt/visionft/pvc/data/a/b.jsonl", f"{ROOT}/mnt/visionft/pvc/data/a/b.jsonl"),
        ("/mnt/visionft/pvc", f"{ROOT}/mnt/visionft/pvc"),
        ("/mnt/visionft/pvc/", f"{ROOT}/mnt/visionft/pvc/"),
        ("/dev", f"{ROOT}/dev"),
        ("/dev/termination-log", f"{ROOT}/dev/termination-log"),
        ("/tmp/hf", f"{ROOT}/tmp/hf"),
    ],
    ids=["mount", "below", "above", "slash", "above-two", "termination-log", "tmp"],
)
def test_path_in_at_or_above_a_mount_is_moved_below_the_root(value: str, expected: str) -> None:
    assert PATHS.rewrite(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        "/",
        "/dev/null",
        "/usr/bin/env",
        "/mnt/visionft/pvc/database",
        "tmp/x",
        "https://h/tmp",
        "--out=/tmp/x",
        "",
        "/tmp/../etc",
    ],
)
def test_everything_else_stays(value: str) -> None:
    assert PATHS.rewrite(value) == value


def test_rewriting_twice_is_rewriting_once() -> None:
    """The root itself lies below /tmp, which is a mount here."""
    once = PATHS.rewrite("/tmp/hf")
    assert PATHS.rewrite(once) == once


def test_mounted_paths_include_the_termination_log() -> None:
    container = {
        "name": "c",
        "volumeMounts": [{"name": "v", "mountPath": "/data"}],
        "terminationMessagePath": "/out/end",
    }
    assert mounted_paths(container) == ["/data", "/out/end"]
    assert mounted_paths({"name": "c"}) == ["/dev/termination-log"]
