"""What the demo writes to the terminal: plain words, one accent colour, nothing that moves."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

BOLD, DIM, GREEN, RED = "1", "2", "32", "31"
STEP_WIDTH = 12
"""Columns for the name of a step."""
MAX_TEXT_WIDTH = 100
"""Columns; longer lines are hard to read."""


@dataclass
class Step:
    """Something that takes a moment; `outcome` says in a few words what came of it."""

    outcome: str = ""


class Screen:
    """Writes lines at once, in colour where a terminal shows it (https://no-color.org)."""

    def __init__(self, out: TextIO = sys.stdout) -> None:
        self._out = out
        self._tty = out.isatty()
        self._colour = self._tty and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"

    def line(self, text: str = "") -> None:
        """One line."""
        self._clear()
        self._out.write(text + "\n")
        self._out.flush()

    def title(self, text: str) -> None:
        """What this is, with air around it."""
        self.line(f"\n{self.style(text, BOLD)}\n")

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """A step: its name while it is done, where a terminal can take that back, and then what came of it."""
        step = Step()
        if self._tty:
            self._out.write(f"  {self.style('·', DIM)} {self.style(name, DIM)}")
            self._out.flush()
        try:
            yield step
        finally:
            self._clear()
        self.line(f"  {self.style('✓', GREEN)} {name:<{STEP_WIDTH}}{step.outcome}")

    def note(self, text: str) -> None:
        """Something by the way."""
        self.line(f"  {self.style(text, DIM)}")

    def command(self, text: str) -> None:
        """A command as a user would type it."""
        self.line(f"\n{self.style('$', DIM)} {text}")

    def failure(self, sentence: str) -> None:
        """Why it did not work; long sentences are wrapped, lines of a log are left as they are."""
        first, *rest = sentence.splitlines() or [""]
        head, *tail = wrapped(first, indent=2)
        self.line(f"\n{self.style('✗', RED)} {head}")
        for text in [*(f"  {part}" for part in tail), *rest]:
            self.line(text)

    def paragraph(self, text: str, code: str) -> None:
        """Sentences in a colour, wrapped."""
        for line in wrapped(text):
            self.line(self.style(line, code))

    def _clear(self) -> None:
        """Take back the name of a step under way."""
        if self._tty:
            self._out.write("\r\x1b[K")

    def style(self, text: str, code: str) -> str:
        """`text` in a colour or weight, where there is one."""
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour and text else text


def wrapped(text: str, indent: int = 0) -> list[str]:
    """The lines of `text` that a terminal has room for; at least one."""
    width = min(shutil.get_terminal_size().columns, MAX_TEXT_WIDTH) - indent
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]


class Table:
    """Rows under one header, as kubectl prints them: columns wide enough for what is known to come."""

    GAP = 3

    def __init__(self, screen: Screen, columns: Sequence[str], expected: Sequence[str]) -> None:
        """`expected` holds a value of the usual width for each column."""
        self._screen = screen
        self._widths = [max(len(name), len(value)) + self.GAP for name, value in zip(columns, expected, strict=True)]
        self._row([name.upper() for name in columns], "")

    def row(self, cells: Sequence[str], remark: str) -> None:
        """A row; `remark` stands dimmed behind it."""
        self._row(cells, self._screen.style(remark, DIM))

    def _row(self, cells: Sequence[str], remark: str) -> None:
        padded = "".join(f"{cell:<{width}}" for cell, width in zip(cells, self._widths, strict=True))
        self._screen.line((padded + remark).rstrip())
