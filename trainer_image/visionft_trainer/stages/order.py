"""What every stage of a run is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from visionft_api.run_file import RunFile
from visionft_api.spec import VisionFineTuneSpec

from visionft_trainer.processes.launch import Member
from visionft_trainer.reporting.progress import Progress
from visionft_trainer.settings import Settings
from visionft_trainer.signals import Stop
from visionft_trainer.storage.folder import RunFolder
from visionft_trainer.storage.scratch import Scratch


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Order:
    """What is to be trained, and where and how it is told."""

    run_file: RunFile
    settings: Settings
    progress: Progress
    stop: Stop
    clock: Callable[[], datetime]
    place: RunFolder
    scratch: Scratch
    member: Member | None
    """Of several processes this is number 0; None where it is the only one."""
    started: datetime

    @property
    def spec(self) -> VisionFineTuneSpec:
        """What the user asks for."""
        return self.run_file.spec
