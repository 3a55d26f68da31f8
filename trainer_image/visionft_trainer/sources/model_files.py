"""A base model's files on this machine, wherever they came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from visionft_trainer.families import Family


@dataclass(frozen=True)
class ModelFiles:
    """A base model on this machine."""

    folder: Path
    family: Family
    identity: str
    """What the manifest calls it: written into adapters as the base that they belong to."""
    revision: str | None
    """Commit on the hub; None for a folder."""

    @property
    def runs_code(self) -> bool:
        """Whether classes come from the model's own files, which the manifest trusts."""
        return self.family.remote_code is not None
