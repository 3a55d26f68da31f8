"""A picture and an object of fields, as in Donut's ground truth; the answer is the object as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from visionft_trainer.data.rows import BadRowError, Row, Text
from visionft_trainer.data.shapes.base import Context
from visionft_trainer.data.shapes.fields import need, object_of, prompt, some_pictures
from visionft_trainer.data.shapes.turns import exchange
from visionft_trainer.data.values import canonical_json, check_characters, kind_of, parse_object

FIELD_COLUMNS = ("ground_truth", "gt_parse", "fields", "json", "answer", "label")
DEFAULT_PROMPT = "Read the fields of the picture as JSON."


def parse_key_values(value: Any, context: Context) -> Row:
    """A row of a picture and its fields: an object, or one as JSON text, or Donut's `{"gt_parse": {...}}` of either
    kind (`gt_parses`: several readings of the picture, wordings of one answer). Raises `BadRowError`."""
    row = object_of(value, context)
    column = need(row, "answer", FIELD_COLUMNS, "the fields", context)
    readings, field = _readings(parse_object(column.value, column.name), column.name)
    texts = []
    for index, reading in enumerate(readings):
        here = f"{field}[{index}]" if len(readings) > 1 else field
        if not isinstance(reading, Mapping | list) or not reading:
            raise BadRowError(here, f"is {kind_of(reading)}; write an object of fields")
        text = canonical_json(reading, here)
        check_characters(text, here)
        texts.append(text)
    answer = Text(texts[0], tuple(texts[1:]))
    return exchange(some_pictures(row, context), prompt(row, context, DEFAULT_PROMPT), answer, context)


def _readings(value: Any, field: str) -> tuple[list[Any], str]:
    if not isinstance(value, Mapping):
        return [value], field
    if "gt_parse" in value:
        return [value["gt_parse"]], f"{field}.gt_parse"
    if isinstance(value.get("gt_parses"), list) and value["gt_parses"]:
        return value["gt_parses"], f"{field}.gt_parses"
    return [value], field
