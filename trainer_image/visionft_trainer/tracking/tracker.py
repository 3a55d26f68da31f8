"""What a tracker is told, and what it must be able to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class TrackedRun:
    """The run as trackers know it. Two pods of one run have the same `key`."""

    namespace: str
    name: str
    number: int
    key: str
    """Names this run and no other; letters, digits and dashes."""
    parameters: Mapping[str, str]
    """The manifest's spec, flattened: `training.learningRate` and its like."""
    folder: Path
    """Where trackers that write files may do so; goes with the run."""

    @property
    def title(self) -> str:
        """How people find it in a list."""
        return f"{self.name}-run-{self.number}"


@dataclass(frozen=True)
class Point:
    """What was measured at one step."""

    step: int
    values: Mapping[str, float]
    """By name, such as `train/loss`."""
    milliseconds: int
    """Unix time."""


class Tracker(Protocol):
    """One destination. Any method may raise; the run never fails for it."""

    name: str
    """Its key below `spec.tracking`."""

    def begin(self, run: TrackedRun) -> None:
        """Open the run, or open it again after an interruption."""

    def write(self, points: Sequence[Point]) -> None:
        """Add points, in the order of their steps."""

    def conclude(self, figures: Mapping[str, float], tags: Mapping[str, str], files: Sequence[Path]) -> None:
        """The run is complete: its figures, such as `tuned/cer`, its facts, and its small files."""

    def close(self, *, finished: bool) -> None:
        """Let go. `finished` tells a run that is complete from one that stopped on the way."""


def flatten(value: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as one level of texts, keys joined by dots; what is absent or empty is left out."""
    flat: dict[str, str] = {}
    for key, item in value.items():
        if isinstance(item, Mapping):
            flat |= flatten(item, f"{prefix}{key}.")
        elif item not in (None, "", []):
            flat[f"{prefix}{key}"] = ", ".join(map(str, item)) if isinstance(item, list) else str(item)
    return flat
