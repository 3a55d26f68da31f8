"""What all data shapes share: the form of a shape, and the pictures and texts inside a row."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from visionft_api.spec import DatasetSpec

from visionft_trainer.data.rows import BadRowError, Picture, Row, Text, Where
from visionft_trainer.data.values import check_characters, kind_of, show

DATASET_FIELD = "spec.dataset"
MAX_PATH_CHARACTERS = 1024
BASE64_STARTS = ("iVBORw0KGgo", "/9j/", "UklGR", "R0lGOD")  # what PNG, JPEG, WEBP and GIF begin with
URL_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


@dataclass(frozen=True)
class Context:
    """What a shape knows beside the row's value."""

    where: Where
    folder: Path
    """Image files lie below it."""
    dataset: DatasetSpec
    """Column names, prompt templates and the system prompt."""
    field: str = DATASET_FIELD
    """Where the manifest has the `format` and `columns` of these rows."""


Shape = Callable[[Any, Context], Row]
"""From one value of a data file to a `Row`; raises `BadRowError`. In containers that hold pictures (Parquet, tar), a
column's value may already be a `Picture`."""


def text_part(text: str, field: str) -> Text:
    """Words of a row, all of their characters whole."""
    check_characters(text, field)
    return Text(text)


def picture_part(url: Any, field: str, folder: Path) -> Picture:
    """The picture that a row names: a path below `folder`, a data URI, or one that its container holds."""
    if isinstance(url, Picture):
        return url
    if isinstance(url, Mapping):  # {"path": ...} is how datasets writes a picture, {"url": ...} how OpenAI does
        url = url.get("path") or url.get("url")
    if not isinstance(url, str) or not url:
        raise BadRowError(field, f"is {kind_of(url)}; write a file's path relative to the data file, or a data: URI")
    if url.startswith(BASE64_STARTS) or (len(url) > MAX_PATH_CHARACTERS and not url[:5].lower() == "data:"):
        raise BadRowError(
            field,
            f"is {show(url)}, {len(url):,} characters that are no path; write a picture in base64 as "
            "data:image/png;base64,...",
        )
    scheme = URL_SCHEME.match(url)
    if scheme and scheme[1].lower() == "data":
        return Picture(_data_uri(url, field), "the image in the data URI")
    if scheme:
        raise BadRowError(
            field, f"is {show(url)}; images are not fetched: put the file beside the data file and name it"
        )
    check_characters(url, field)
    if "\0" in url:
        raise BadRowError(field, f"is {show(url)}, with a NUL character in it; write the file's path without it")
    path = PurePosixPath(url)
    if path.is_absolute():
        raise BadRowError(field, f"is {show(url)}, an absolute path; give it relative to the data file's folder")
    if ".." in path.parts:
        raise BadRowError(field, f"is {show(url)}, which leaves the data file's folder; keep images below it")
    return Picture(folder / path)


def _data_uri(url: str, field: str) -> bytes:
    header, comma, body = url.partition(",")
    header = header.lower()
    if not comma or not header.startswith("data:image/") or not header.endswith(";base64"):
        raise BadRowError(field, f"is {show(url)}; write a data URI as data:image/png;base64,...")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise BadRowError(field, "the data URI's base64 is broken; encode the image file again") from None
