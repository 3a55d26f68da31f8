"""JSONL: one JSON object a line."""

from __future__ import annotations

import codecs
import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from visionft_trainer.data.containers.base import MAX_ROW_BYTES, TOO_LONG, Record, attempt, unreadable
from visionft_trainer.data.containers.packed import open_text
from visionft_trainer.data.rows import BadRowError, Where
from visionft_trainer.errors import BadDatasetError


def read_json_lines(file: Path, root: Path) -> Iterator[Record]:
    """The rows of a JSONL file; blank lines are no rows, but count."""
    name = file.relative_to(root).as_posix()
    for line, raw in _lines(file):
        yield Record(Where(name, line), attempt(partial(parse_json, raw)))


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank, with their numbers from 1. Raises `BadDatasetError` for an unreadable file."""
    try:
        with open_text(file) as stream:
            number = 0
            while raw := stream.readline(MAX_ROW_BYTES + 1):
                number += 1
                if len(raw) > MAX_ROW_BYTES:
                    raise BadDatasetError(f"{file.name} row {number} {TOO_LONG}, or write one JSON object a line.")
                if number == 1:
                    raw = raw.removeprefix(codecs.BOM_UTF8)  # some editors begin a file with it
                if raw.strip():
                    yield number, raw
    except OSError as error:
        raise unreadable(file, error) from error


def parse_json(raw: bytes) -> Any:
    """One JSON value. Raises `BadRowError`."""
    try:
        # Without its line end: a row that was cut off is then told as such, not as a wrong character.
        return json.loads(raw.decode("utf-8").rstrip("\r\n"), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise BadRowError("", f"is not UTF-8 (byte {error.start + 1}); save the file as UTF-8") from None
    except json.JSONDecodeError as error:
        what = error.msg.removesuffix(" at").removesuffix(" starting")
        raise BadRowError("", f"is not JSON ({what}, column {error.colno}); write one JSON object a line") from None
    except BadRowError:
        raise
    except ValueError:  # Python reads no longer number than this
        raise BadRowError(
            "", f"holds an integer of more than {sys.get_int_max_str_digits():,} digits; write it as a string"
        ) from None
    except RecursionError:
        raise BadRowError("", "is nested too deeply; write a plain object {messages: [...]}") from None


def _refuse_constant(name: str) -> Any:
    raise no_constant(name)


def no_constant(name: str) -> BadRowError:
    """The error for NaN and Infinity, which Python writes and JSON does not know."""
    return BadRowError("", f"holds {name}, which is not JSON; use a number or null")
