"""What judging leaves in the run's folder: `judgement.json` and `answers.jsonl`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from visionft_trainer.errors import writing_to
from visionft_trainer.evaluation.judgement import Judgement
from visionft_trainer.storage import atomic
from visionft_trainer.storage.plain_files import read_bytes


def judgement_text(judgement: Judgement) -> str:
    """The judgement as JSON."""
    return judgement.model_dump_json(by_alias=True, exclude_none=True, indent=2) + "\n"


def write_judgement(file: Path, judgement: Judgement) -> None:
    """Replace `file`. Raises `StorageFailedError`."""
    with writing_to(file):
        atomic.write_text(file, judgement_text(judgement))


def read_judgement(file: Path) -> Judgement | None:
    """What `file` holds; None where there is none, or one of another version."""
    try:
        return Judgement.model_validate_json(read_bytes(file))
    except (OSError, ValidationError):
        return None


def write_answers(file: Path, lines: Sequence[dict[str, Any]]) -> None:
    """Replace `file`, a line for each measured row. Raises `StorageFailedError`."""
    with writing_to(file):
        atomic.write_text(file, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
