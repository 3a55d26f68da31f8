"""`answers.jsonl` of a run: each measured row with what both models answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, ValidationError
from visionft_api.base import ApiModel

from visionft_trainer.storage.plain_files import read_bytes

Scores = dict[str, float]
"""By metric, of one row alone."""


class Answer(ApiModel):
    """A line of `answers.jsonl`."""

    model_config = ConfigDict(extra="ignore")

    index: int
    """Of the measured rows, from 0."""
    file: str
    row: int
    prompt: str = ""
    reference: str
    references: list[str] = Field(default=[])
    baseline: str | None = None
    tuned: str | None = None
    scores: dict[str, Scores] = Field(default={})
    """Of `baseline` and of `tuned`."""

    def improvement(self, metric: str, *, lower_is_better: bool) -> float | None:
        """By how much the tuned model answers better, below 0 worse; None where there is nothing to compare."""
        before = self.scores.get("baseline", {}).get(metric)
        after = self.scores.get("tuned", {}).get(metric)
        if before is None or after is None:
            return None
        return before - after if lower_is_better else after - before


def read_answers(file: Path) -> list[Answer]:
    """All lines that can be read, in their order; none where the file is missing."""
    try:
        lines = read_bytes(file).decode("utf-8", errors="replace").split("\n")
    except OSError:
        return []
    return [answer for line in lines if line.strip() and (answer := _read(line)) is not None]


def _read(line: str) -> Answer | None:
    try:
        entry: Any = json.loads(line)
        return Answer.model_validate(entry)
    except (ValueError, ValidationError):
        return None
