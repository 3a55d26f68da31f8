"""What is wrong with a manifest, for people."""

import json
from dataclasses import dataclass
from typing import Any

from visionft_api.shown import shorten

SHOWN_PROBLEMS = 20
"""Lines of an error; the rest are counted."""
NO_VALUE = object()
"""Stands for the value of a field that is missing."""


@dataclass(frozen=True)
class Problem:
    """One mistake.

    Attributes:
        field: path of the field in JSON names, such as "spec.adapter.rank"; "" for the whole manifest.
        value: what was written there, or NO_VALUE.
        message: what is allowed, or what to write instead.
    """

    field: str
    value: Any
    message: str

    def __str__(self) -> str:
        text = self.message
        if isinstance(self.value, str | int | float):
            value = shorten(json.dumps(self.value, ensure_ascii=False))
            if value not in text:
                text = f"Invalid value: {value}: {text}"
        return f"{shorten(self.field)}: {self._without_name(text)}" if self.field else text

    def _without_name(self, text: str) -> str:
        """A rule's sentence names its field, as the API server needs; after the path it would stand there twice."""
        path = self.field.split(".")
        ends = (".".join(path[start:]) for start in range(len(path)))
        named = next((end for end in ends if text.startswith(f"{end} ")), None)
        return text if named is None else text.removeprefix(f"{named} ")


class ManifestError(ValueError):
    """A manifest that cannot be taken, with everything that is wrong with it."""

    def __init__(self, problems: list[Problem], source: str = "manifest") -> None:
        self.problems = problems
        self.source = source
        lines = [f"{source}: {problem}" for problem in problems[:SHOWN_PROBLEMS]]
        if len(problems) > SHOWN_PROBLEMS:
            lines.append(f"{source}: and {len(problems) - SHOWN_PROBLEMS} more problems")
        super().__init__("\n".join(lines))
