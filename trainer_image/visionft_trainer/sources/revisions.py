"""Which commits of the hub's data sets a run began with, so that a moved branch changes nothing for a later pod."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

from visionft_trainer.errors import writing_to
from visionft_trainer.storage import atomic
from visionft_trainer.storage.plain_files import read_text


class Revisions:
    """Commits by the field of the manifest that they were resolved from; kept in `file`, where there is one."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._commits = _read(file) if file is not None else {}

    def get(self, field: str) -> str | None:
        """The commit that the run began with; None before that."""
        return self._commits.get(field)

    def keep(self, field: str, commit: str) -> None:
        """Remember `commit`. Raises `StorageFailedError`."""
        if self._commits.get(field) == commit:
            return
        self._commits[field] = commit
        if self._file is not None:
            with writing_to(self._file):
                # A draft of its own: all processes of a run come here, at the same time.
                draft = self._file.with_name(f"{atomic.UNFINISHED_PREFIX}{uuid.uuid4()}")
                draft.write_text(json.dumps(self._commits, indent=2) + "\n", encoding="utf-8")
                draft.replace(self._file)


def _read(file: Path) -> dict[str, str]:
    """What an earlier pod has kept; nothing where there is none."""
    try:
        stored = json.loads(read_text(file))
    except (OSError, ValueError):
        return {}
    return {str(field): str(commit) for field, commit in stored.items()} if isinstance(stored, dict) else {}
