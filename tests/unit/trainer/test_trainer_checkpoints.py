"""Checkpoints are trusted only when every byte is as it was written."""

import logging
import subprocess
from pathlib import Path

import pytest
from visionft_trainer.training import checkpoints


def save(folder: Path, step: int) -> Path:
    with checkpoints.writing(folder, step) as draft:
        (draft / "weights").write_bytes(bytes([step]) * 100)
        (draft / "deep").mkdir()
        (draft / "deep" / "state").write_text(str(step))
    return checkpoints.folder_of(folder, step)


def truncate(checkpoint: Path) -> None:
    (checkpoint / "weights").write_bytes(b"1")


def remove_file(checkpoint: Path) -> None:
    (checkpoint / "deep" / "state").unlink()


def remove_manifest(checkpoint: Path) -> None:
    (checkpoint / checkpoints.MANIFEST).unlink()


def empty_manifest(checkpoint: Path) -> None:
    (checkpoint / checkpoints.MANIFEST).write_text("")


def flip_a_bit(checkpoint: Path) -> None:
    data = bytearray((checkpoint / "weights").read_bytes())
    data[50] ^= 1
    (checkpoint / "weights").write_bytes(data)


def test_newest_is_the_highest_step(tmp_path: Path) -> None:
    assert checkpoints.newest_valid(tmp_path / "none") is None
    for step in (2, 10, 9):
        save(tmp_path, step)
    assert checkpoints.newest_valid(tmp_path) == tmp_path / "checkpoint-10"


@pytest.mark.parametrize("damage", [truncate, remove_file, remove_manifest, empty_manifest, flip_a_bit])
def test_damaged_one_falls_back(tmp_path: Path, damage: object, caplog: pytest.LogCaptureFixture) -> None:
    save(tmp_path, 1)
    damage(save(tmp_path, 2))  # type: ignore[operator]
    with caplog.at_level(logging.WARNING):
        assert checkpoints.newest_valid(tmp_path) == tmp_path / "checkpoint-1"
    assert "checkpoint-2 is passed over" in caplog.text


def test_interrupted_writing_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with checkpoints.writing(tmp_path, 1) as draft:
            (draft / "weights").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_kept_by_count(tmp_path: Path) -> None:
    for step in (1, 2, 3, 10):
        save(tmp_path, step)
    checkpoints.keep_newest(tmp_path, 2)
    assert sorted(checkpoints.steps(tmp_path)) == [3, 10]


def test_sha256sum_can_check_one(tmp_path: Path) -> None:
    folder = save(tmp_path, 1)
    subprocess.run(["sha256sum", "--check", "--quiet", checkpoints.MANIFEST], cwd=folder, check=True)
