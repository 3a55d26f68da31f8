"""Values of a row: finding them, making texts of them, and showing in errors what is wrong with them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from visionft_api.shown import shorten

from visionft_trainer.data.rows import BadRowError, Picture

HALF_CHARACTER = re.compile(r"[\ud800-\udfff]")
SHOWN_CHARACTERS = 60  # of a wrong value, in an error
SHOWN_COLUMNS = 12  # names of columns in an error; the rest are counted


class _NoColumn:
    """The type of `NO_COLUMN`."""


NO_COLUMN: Final = _NoColumn()
"""What `look_up` gives for a column that the row does not have, as opposed to one without a value (None)."""


def look_up(row: Mapping[str, Any], name: str) -> Any:
    """The value of the column `name`, a dot going into an object; `NO_COLUMN` when there is none."""
    if name in row:  # also a name that has a dot in it itself
        return row[name]
    head, dot, rest = name.partition(".")
    while dot:
        inner = row.get(head)
        if isinstance(inner, Mapping):
            return look_up(inner, rest)
        more, dot, rest = rest.partition(".")
        head = f"{head}.{more}"
    return NO_COLUMN


def names_of(row: Mapping[str, Any]) -> str:
    """The names of the row's columns, for an error."""
    names = [str(name) for name in row]
    shown = ", ".join(show_name(name) for name in names[:SHOWN_COLUMNS]) or "none"
    return shown if len(names) <= SHOWN_COLUMNS else f"{shown} and {len(names) - SHOWN_COLUMNS} more"


def show_name(name: str) -> str:
    """A column's name, cut where it is long."""
    return shorten(name, SHOWN_CHARACTERS)


def text_of(value: Any, field: str) -> str:
    """A column's value as text: strings as they are, numbers and objects as JSON. Raises `BadRowError`."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, Picture):
        raise BadRowError(field, f"is {kind_of(value)}; write a text")
    return canonical_json(value, field)


def canonical_json(value: Any, field: str) -> str:
    """JSON without spaces, keys sorted: the same object gives the same text in every row. Raises `BadRowError`."""
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except ValueError:
        raise BadRowError(field, f"{show(value)} holds NaN or Infinity; use a number or null") from None
    except TypeError:
        raise BadRowError(field, f"{show(value)} holds what JSON cannot say; use texts, numbers and lists") from None


def parse_object(value: Any, field: str) -> Any:
    """An object or list that a column holds as JSON text, such as a cell of a table. Raises `BadRowError`."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError as error:
        raise BadRowError(
            field, f"{show(value)} is not JSON ({error.msg}, character {error.pos + 1}); write an object as JSON"
        ) from None
    except (ValueError, RecursionError):  # a number of thousands of digits, brackets in thousands of brackets
        raise BadRowError(field, f"{show(value)} is JSON that cannot be read; write a plain object") from None


def check_characters(text: str, field: str) -> None:
    """JSON can spell halves of a character ("\\ud83d" without its "\\ude00"), which no UTF-8 text can hold."""
    half = HALF_CHARACTER.search(text)
    if half:
        raise BadRowError(
            field,
            f"holds \\u{ord(half[0]):04x} at character {half.start() + 1}, half of a surrogate pair; "
            "write both halves, or the character itself",
        )


def kind_of(value: Any) -> str:
    """What a wrong value is, in an error."""
    match value:
        case None:
            return "missing"
        case bool() | int() | float():
            return f"a number ({show(value)})" if not isinstance(value, bool) else f"{value}".lower()
        case str():
            return f"the string {show(value)}" if value else "an empty string"
        case list():
            return "a list" if value else "an empty list"
        case Picture():
            return "a picture"
        case _:
            return "an object"


def show(value: Any) -> str:
    """A wrong value, cut where it is long."""
    return shorten(repr(value), SHOWN_CHARACTERS)
