"""A picture, a question and the boxes that answer it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from visionft_trainer.data.rows import BadRowError, Boxes, Row
from visionft_trainer.data.shapes.base import Context
from visionft_trainer.data.shapes.boxes import Frame, box_of
from visionft_trainer.data.shapes.fields import need, object_of, prompt, some_pictures
from visionft_trainer.data.shapes.turns import exchange
from visionft_trainer.data.values import check_characters, kind_of, parse_object

BOXES_COLUMNS = ("boxes", "bboxes", "objects", "annotations")
LABEL_KEYS = ("label", "name", "category", "class", "phrase", "text")
BOX_KEYS = ("box", "bbox", "bbox_2d", "bounding_box", "xyxy", "xywh")


def parse_grounding(value: Any, context: Context) -> Row:
    """A row of one picture, a question and boxes. Raises `BadRowError`.

    The boxes are a list of objects with a label and a box, or the object of lists that `datasets` makes of it.
    """
    row = object_of(value, context)
    column = need(row, "boxes", BOXES_COLUMNS, "the boxes", context)
    images = some_pictures(row, context)
    if len(images) != 1:
        raise BadRowError(column.name, f"lie on one of {len(images)} pictures; write a row for each picture")
    value = parse_object(column.value, column.name)
    items = _items(value, column.name)
    if not items:
        raise BadRowError(column.name, "is an empty list; leave out rows without boxes")
    stated = {**row, **value} if isinstance(value, Mapping) else row
    frame = Frame.of(stated, [_one_of(item, BOX_KEYS)[1] for item in items], images[0], context)
    boxes = []
    for index, item in enumerate(items):
        field = f"{column.name}[{index}]"
        label_key, label = _one_of(item, LABEL_KEYS)
        if not isinstance(label, str) or not label.strip():
            raise BadRowError(f"{field}.{label_key}", f"is {kind_of(label)}; write what the box is around")
        check_characters(label, f"{field}.{label_key}")
        box_key, box = _one_of(item, BOX_KEYS)
        boxes.append(box_of(label, box, frame.named(box_key), f"{field}.{box_key}"))
    return exchange(images, prompt(row, context), Boxes(tuple(boxes)), context)


def _items(value: Any, field: str) -> list[Mapping[str, Any]]:
    """One object a box. Raises `BadRowError`."""
    if isinstance(value, Mapping):
        value = value["boxes"] if isinstance(value.get("boxes"), list) else _by_box(value, field)
    if not isinstance(value, list):
        raise BadRowError(field, f"is {kind_of(value)}; write a list of objects, each with a label and a box")
    for index, item in enumerate(value):
        if not isinstance(item, Mapping):
            raise BadRowError(f"{field}[{index}]", f"is {kind_of(item)}; write an object with a label and a box")
    return value


def _by_box(value: Mapping[str, Any], field: str) -> list[Mapping[str, Any]]:
    """`{"bbox": [...], "category": [...]}`, as `datasets` stores lists of objects. Raises `BadRowError`."""
    label_key, labels = _one_of(value, LABEL_KEYS)
    box_key, boxes = _one_of(value, BOX_KEYS)
    if not isinstance(labels, list) or not isinstance(boxes, list) or len(labels) != len(boxes):
        raise BadRowError(field, f"{label_key} and {box_key} are not two lists of one length; give each box its label")
    return [{label_key: label, box_key: box} for label, box in zip(labels, boxes, strict=True)]


def _one_of(item: Mapping[str, Any], keys: Sequence[str]) -> tuple[str, Any]:
    """The first of `keys` that has a value, with it; the first key and None where none has."""
    return next(((key, item[key]) for key in keys if item.get(key) is not None), (keys[0], None))
