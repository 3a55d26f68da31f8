"""What each tracker of a run already has, kept beside the run so that the next pod sends the rest and no more."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from visionft_trainer.storage import atomic
from visionft_trainer.storage.plain_files import read_text


@dataclass
class Known:
    """Of one tracker."""

    stretches: list[tuple[int, int]] = field(default_factory=list)
    """First and last step of what it has, rising, with gaps between them."""
    ended: bool = False
    """Whether it has the result, too."""

    @property
    def last(self) -> int:
        """The highest step that it has."""
        return self.stretches[-1][1] if self.stretches else 0

    def has(self, step: int) -> bool:
        """Whether this step was delivered."""
        return any(first <= step <= last for first, last in self.stretches)

    def add(self, first: int, last: int) -> None:
        """A stretch was delivered."""
        joined: list[tuple[int, int]] = []
        for begin, end in sorted([*self.stretches, (first, last)]):
            if joined and begin <= joined[-1][1] + 1:
                joined[-1] = (joined[-1][0], max(joined[-1][1], end))
            else:
                joined.append((begin, end))
        self.stretches = joined


class Delivered:
    """The file with all of it; trackers write from threads of their own."""

    def __init__(self, file: Path) -> None:
        """A file that cannot be read counts as none: then a step may be sent twice, and none is missed."""
        self._file = file
        self._lock = threading.Lock()
        self._known = _read(file)

    def of(self, tracker: str) -> Known:
        """What this tracker has."""
        with self._lock:
            return self._known.setdefault(tracker, Known())

    def note(self, tracker: str, first: int, last: int) -> None:
        """Steps have arrived."""
        known = self.of(tracker)
        with self._lock:
            known.add(first, last)
            self._write()

    def note_end(self, tracker: str) -> None:
        """The result has arrived."""
        known = self.of(tracker)
        with self._lock:
            known.ended = True
            self._write()

    def _write(self) -> None:
        value = {name: {"steps": known.stretches, "ended": known.ended} for name, known in self._known.items()}
        atomic.write_text(self._file, json.dumps(value) + "\n")


def _read(file: Path) -> dict[str, Known]:
    try:
        value: dict[str, Any] = json.loads(read_text(file))
        return {
            name: Known([(int(first), int(last)) for first, last in entry["steps"]], bool(entry["ended"]))
            for name, entry in value.items()
        }
    except (OSError, ValueError, AttributeError, TypeError, KeyError):
        return {}
