"""Processes that begin again with smaller micro-batches, because one of them was out of memory."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from visionft_trainer.processes import launch
from visionft_trainer.training.batching import Batching

WORKER = """
import os, signal, sys
from pathlib import Path
from visionft_trainer.failures import Failure
from visionft_trainer.processes.launch import Halved, Member, TeamOutOfMemoryError
member = Member.from_environment(os.environ)
before = member.halved
out, room = Path(sys.argv[1]), int(sys.argv[2])
size = before.micro_batch if before else 8
if size <= room:
    (out / f"{member.rank}.json").write_text(str(before))
elif member.rank == 0:
    signal.pause()  # waits for process 1 in the middle of a layer
else:
    note = f"halved {size}"
    member.tell(Failure(13, "Memory is out.", None), TeamOutOfMemoryError("out", Halved(size // 2, (note,))))
    signal.pause()  # cannot end for waiting on the others' GPUs
"""


def test_all_begin_again_until_it_fits_and_every_time_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(launch, "PROGRAM", (sys.executable, "-c", WORKER))
    assert launch.launch([str(tmp_path), "2"], 2) is None
    told = launch.Halved(2, ("halved 8", "halved 4"))
    assert [(tmp_path / f"{rank}.json").read_text() for rank in (0, 1)] == [str(told)] * 2


def test_a_run_that_begins_again_never_grows_beyond_what_fits() -> None:
    bounded = Batching(8, 2, gradient_checkpointing=True, sharded=True).bounded(3)
    assert (bounded.micro_batch, bounded.accumulation, bounded.bound) == (2, 8, 3)
    assert bounded.cut_to(8) == bounded


def test_what_was_found_out_survives_in_a_file(tmp_path: Path) -> None:
    halved = launch.Halved(4, ("once", "twice"))
    halved.write(tmp_path / "file")
    assert json.loads((tmp_path / "file").read_text())["micro_batch"] == 4
    assert launch.Halved.read(tmp_path / "file") == halved
    assert launch.Halved.read(tmp_path / "none") is None
