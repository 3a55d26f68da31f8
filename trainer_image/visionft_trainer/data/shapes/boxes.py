"""Boxes as data sets write them, brought to shares of the picture.

A row says what its numbers are in columns of its own, or in the boxes column beside its lists:
`box_units` (pixels, shares, thousandths) and `box_form` (xyxy: left, top, right, bottom; xywh: left, top, width,
height). Without a word numbers up to 1 are shares, others pixels, and the form is xyxy.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image
from visionft_api.quantities import parse_size

from visionft_trainer.data.images import FORMATS, ImageRules, open_rgb, picture_name, read_bytes
from visionft_trainer.data.rows import BadRowError, Box, Picture
from visionft_trainer.data.shapes.base import Context
from visionft_trainer.data.values import kind_of, show

UNITS = ("pixels", "shares", "thousandths")
FORMS = ("xyxy", "xywh")
UNITS_COLUMN, FORM_COLUMN = "box_units", "box_form"
SLACK = 1e-3  # of the picture's side: annotation tools round outwards
ORIENTATION_TAG = 0x0112  # of EXIF
SIDEWAYS = (5, 6, 7, 8)  # orientations that swap width and height
EDGE_KEYS = (
    (("left", "top", "right", "bottom"), "xyxy"),
    (("x1", "y1", "x2", "y2"), "xyxy"),
    (("xmin", "ymin", "xmax", "ymax"), "xyxy"),
    (("x", "y", "width", "height"), "xywh"),
    (("x", "y", "w", "h"), "xywh"),
)
ORDER = {"xyxy": "left, top, right, bottom", "xywh": "left, top, width, height"}


@dataclass(frozen=True)
class Frame:
    """What the numbers of a row's boxes are."""

    width: float
    height: float
    """Of the whole picture, in the boxes' unit."""
    form: str

    @classmethod
    def of(cls, row: Mapping[str, Any], items: Sequence[Any], picture: Picture, context: Context) -> Frame:
        """What the row says, else what its numbers show. Raises `BadRowError`."""
        form = _word(row, FORM_COLUMN, FORMS) or "xyxy"
        units = _word(row, UNITS_COLUMN, UNITS)
        if units is None:
            units = "pixels" if any(number > 1 for number in _numbers(items)) else "shares"
        if units == "shares":
            return cls(1, 1, form)
        if units == "thousandths":
            return cls(1000, 1000, form)
        return cls(*_size(row, picture, context), form)

    def named(self, key: str) -> Frame:
        """The frame of a box that is called `key`, which may say its form."""
        return replace(self, form=key) if key in FORMS else self


def box_of(label: str, value: Any, frame: Frame, field: str) -> Box:
    """The box as shares of the picture. Raises `BadRowError` for what is no box, inverted, or not on the picture."""
    numbers, form = _four(value, frame.form, field)
    for number in numbers:
        if not math.isfinite(number):
            raise BadRowError(field, f"{show(value)} holds {number}; use finite numbers")
    first, second, third, fourth = numbers
    if form == "xywh":
        third, fourth = first + third, second + fourth
    left, right = first / frame.width, third / frame.width
    top, bottom = second / frame.height, fourth / frame.height
    if left >= right or top >= bottom:
        other = "xywh" if form == "xyxy" else "xyxy"
        raise BadRowError(
            field,
            f"{show(value)} is empty or inverted, read as {ORDER[form]}; mend it or, if it is {ORDER[other]}, write "
            f"{FORM_COLUMN}: {other} into the row",
        )
    if min(left, top) < -SLACK or max(right, bottom) > 1 + SLACK:
        raise BadRowError(
            field,
            f"{show(value)} reaches out of the picture of {frame.width:g} x {frame.height:g}; mend it, or write "
            f"{UNITS_COLUMN} ({', '.join(UNITS)}) or {FORM_COLUMN} ({', '.join(FORMS)}) into the row if it means "
            "something else",
        )
    return Box(label, max(left, 0.0), max(top, 0.0), min(right, 1.0), min(bottom, 1.0))


def _word(row: Mapping[str, Any], column: str, words: Sequence[str]) -> str | None:
    word = row.get(column)
    if word is None or word in words:
        return word
    raise BadRowError(column, f"is {show(word)}; use one of {', '.join(words)}")


def _four(value: Any, form: str, field: str) -> tuple[list[float], str]:
    """The four numbers of a box and their form. Raises `BadRowError`."""
    if isinstance(value, Mapping):
        for keys, form_of_keys in EDGE_KEYS:
            if all(key in value for key in keys):
                value, form = [value[key] for key in keys], form_of_keys
                break
    if not isinstance(value, list) or len(value) != 4 or not all(_is_number(number) for number in value):
        what = f"{show(value)}" if isinstance(value, list | Mapping) else kind_of(value)
        raise BadRowError(field, f"is {what}; write four numbers: {ORDER[form]}")
    return [float(number) for number in value], form


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or (
        isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53  # float() of more may overflow
    )


def _numbers(value: Any) -> Iterator[float]:
    """All numbers inside lists and objects, however deep."""
    if _is_number(value):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _numbers(item)
    elif isinstance(value, list):
        for item in value:
            yield from _numbers(item)


def _size(row: Mapping[str, Any], picture: Picture, context: Context) -> tuple[float, float]:
    """Width and height that the boxes' pixels are counted on: the row's columns of that name, else the picture's own,
    turned upright. Raises `BadRowError`."""
    width, height = row.get("width"), row.get("height")
    if width is not None and height is not None:
        if _is_number(width) and _is_number(height) and width > 0 and height > 0:
            return width, height
        raise BadRowError("width", f"{show(width)} x {show(height)} is no size of a picture; write pixels, or neither")
    rules = ImageRules(context.folder, parse_size(context.dataset.image.max_bytes))
    encoded = read_bytes(picture, rules)
    try:
        with Image.open(io.BytesIO(encoded), formats=FORMATS) as image:
            sideways = image.getexif().get(ORIENTATION_TAG) in SIDEWAYS
            return image.size[::-1] if sideways else image.size
    except Exception:  # Pillow raises nearly everything on hostile input; what is wrong is said by the one who knows
        return open_rgb(encoded, picture_name(picture, rules)).size
