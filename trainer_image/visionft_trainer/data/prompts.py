"""Prompt templates: text with `{column}` where a value of the row goes, and `{{` or `}}` for a brace.

A dot goes into an object: `{meta.language}`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from visionft_api.spec import DatasetSpec

from visionft_trainer.data.rows import BadRowError, Text
from visionft_trainer.data.values import NO_COLUMN, check_characters, look_up, names_of, show, text_of
from visionft_trainer.errors import BadConfigError

TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


@dataclass(frozen=True)
class Template:
    """A template, read once and filled for each row."""

    field: str
    """Where the manifest has it."""
    text: str
    pieces: tuple[str, ...]
    """Literal text and names of columns by turns; begins and ends with text."""

    def fill(self, row: Mapping[str, Any]) -> str:
        """The text for `row`. Raises `BadRowError` for a column that is not there, without a value, or no text."""
        filled = [self._value(piece, row) if index % 2 else piece for index, piece in enumerate(self.pieces)]
        text = "".join(filled)
        if not text.strip():
            raise BadRowError(self.field, f"{show(self.text)} gives an empty question; give its columns a value")
        return text

    def _value(self, name: str, row: Mapping[str, Any]) -> str:
        value = look_up(row, name)
        placeholder = f"{show(self.text)} asks for {{{name}}}"
        if value is NO_COLUMN:
            raise BadRowError(
                self.field, f"{placeholder}, which the row does not have; its columns are {names_of(row)}"
            )
        if value is None:
            raise BadRowError(self.field, f"{placeholder}, which has no value in this row; write one, or leave it out")
        text = text_of(value, name)
        check_characters(text, name)
        return text


@lru_cache(maxsize=64)
def read_template(text: str, field: str) -> Template:
    """The parts of a template. Raises `BadConfigError` naming `field` for braces that do not fit together."""
    pieces = [""]
    end = 0
    for token in TOKEN.finditer(text):
        pieces[-1] += text[end : token.start()]
        end = token.end()
        if token[0] in ("{{", "}}"):
            pieces[-1] += token[0][0]
        elif token[1] is None:
            raise BadConfigError(
                f"{field}: {show(text)} has a single {token[0]} at character {token.start() + 1}; write "
                f"{token[0] * 2} for the brace itself, or {{column}} for a value."
            )
        elif not token[1].strip():
            raise BadConfigError(
                f"{field}: {show(text)} has braces without a name at character {token.start() + 1}; write the name of "
                "a column between them."
            )
        else:
            pieces += [token[1].strip(), ""]
    pieces[-1] += text[end:]
    return Template(field, text, tuple(pieces))


def templates_of(dataset: DatasetSpec) -> Sequence[Template]:
    """The manifest's templates in their order; none where the rows hold their questions. Raises `BadConfigError`."""
    found = []
    if dataset.prompt_template is not None:
        found.append(read_template(dataset.prompt_template, "spec.dataset.promptTemplate"))
    for index, text in enumerate(dataset.prompt_templates):
        found.append(read_template(text, f"spec.dataset.promptTemplates[{index}]"))
    return found


def question(row: Mapping[str, Any], templates: Sequence[Template]) -> Text:
    """The question of `row` by the first template; the others give its other wordings. Raises `BadRowError`."""
    first, *others = (template.fill(row) for template in templates)
    return Text(first, tuple(others))
