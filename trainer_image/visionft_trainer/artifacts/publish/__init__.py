"""Brings the artifacts of a run to every destination of `spec.output` beside the claim."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from visionft_api.spec import OutputSpec
from visionft_api.status import Artifact as Published

from visionft_trainer.artifacts.artifact import Artifact
from visionft_trainer.settings import Settings

Tick = Callable[[int, int], None]
"""Bytes that are there, of so many."""


def publish(
    output: OutputSpec, run: int, artifacts: Sequence[Artifact], settings: Settings, tick: Tick
) -> list[Published]:
    """What is where now."""
    return []
