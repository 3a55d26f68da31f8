"""What is wrong with a manifest, for people."""

import json
from dataclasses import dataclass
from typing import Any

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
            value = json.dumps(self.value, ensure_ascii=False)
            if value not in text:
                text = f"Invalid value: {value}: {text}"
        return f"{self.field}: {text}" if self.field else text


class ManifestError(ValueError):
    """A manifest that cannot be taken, with everything that is wrong with it."""

    def __init__(self, problems: list[Problem], source: str = "manifest") -> None:
        self.problems = problems
        self.source = source
        super().__init__("\n".join(f"{source}: {problem}" for problem in problems))
