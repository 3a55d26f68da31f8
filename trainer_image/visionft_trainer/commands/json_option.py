"""`--json FILE`, which several commands have; the file `-` is standard output."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from visionft_trainer.errors import writing_to
from visionft_trainer.storage import atomic

STANDARD_OUTPUT = Path("-")
EXAMPLE_FILE = "found.json"


def add(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the option; `what` is written, such as `the figures`."""
    parser.add_argument(
        "--json",
        metavar="FILE",
        type=_writable,
        help=f"write {what} there as JSON; - is standard output, which then has nothing else",
    )


def _writable(text: str) -> Path:
    """The file that `text` names; looked at before a command works for hours on what goes there."""
    file = Path(text)
    if file != STANDARD_OUTPUT and file.is_dir():
        raise argparse.ArgumentTypeError(f"{text or '.'} is a folder. Name a file, such as {file / EXAMPLE_FILE}.")
    if file != STANDARD_OUTPUT and file.exists() and not file.is_file():
        raise argparse.ArgumentTypeError(
            f"{text} is no plain file, and cannot be replaced. Name another, or - for standard output."
        )
    if not file.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: there is no folder {file.parent}. Make it, or name another file.")
    return file


def shown(file: Path | None, document: str, for_people: Callable[[TextIO], None]) -> Callable[[TextIO], None]:
    """Write `document` to `file`, where one is named; gives what the command is to print.

    Raises `StorageFailedError`.
    """
    if file == STANDARD_OUTPUT:
        return lambda stream: _write(document, stream)
    if file is not None:
        with writing_to(file):
            atomic.write_text(file, document)
    return for_people


def _write(document: str, stream: TextIO) -> None:
    stream.write(document)
