"""What process 0 has read and prepared, for the other processes of the run: references to files on this machine."""

from __future__ import annotations

import io
import pickle
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visionft_trainer.prepare.preprocess import Prepared
from visionft_trainer.processes.launch import IDLE_FILE
from visionft_trainer.sources.model_files import ModelFiles
from visionft_trainer.training.batching import Batching

FILE = "prepared"
POLL_SECONDS = 0.1
PROCESSOR = "processor"


@dataclass(frozen=True)
class Shared:
    """Everything that the other processes train from."""

    files: ModelFiles
    train: Prepared
    validation: Prepared | None
    checkpoints: Path
    batching: Batching


class _Pickler(pickle.Pickler):
    """Leaves the processor out: each process loads its own, whose code may have come with the model."""

    def __init__(self, file: io.BytesIO, processor: Any) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._processor = processor

    def persistent_id(self, obj: Any) -> str | None:
        return PROCESSOR if obj is self._processor else None


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, processor: Any) -> None:
        super().__init__(file)
        self._processor = processor

    def persistent_load(self, pid: Any) -> Any:
        return self._processor


def publish(shared: Shared, processor: Any, folder: Path) -> None:
    """Let the others go on."""
    rest = io.BytesIO()
    _Pickler(rest, processor).dump(shared)
    draft = folder / f".{FILE}"
    draft.write_bytes(pickle.dumps((shared.files, rest.getvalue())))
    draft.rename(folder / FILE)


@dataclass(frozen=True)
class Waiting:
    """What was published; the rest of it opens once the processor is there."""

    files: ModelFiles
    rest: bytes

    def open(self, processor: Any) -> Shared:
        """All of it."""
        shared: Shared = _Unpickler(io.BytesIO(self.rest), processor).load()
        return shared


def wait(folder: Path) -> Waiting | None:
    """Until process 0 has published, or let this process go: None. Its failure ends this process, so without limit."""
    while not (folder / FILE).exists():
        if (folder / IDLE_FILE).exists():
            return None
        time.sleep(POLL_SECONDS)
    return Waiting(*pickle.loads((folder / FILE).read_bytes()))  # noqa: S301 - written by process 0
