"""What form a row looks like, so that an error can say which `format` to set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from visionft_api.spec.dataset import DatasetFormat

from visionft_trainer.data.shapes.base import Context


def format_of(value: Any) -> DatasetFormat | None:
    """The format that a row's columns and values are usual for; None where they are for none."""
    if not isinstance(value, Mapping):
        return None
    if _items_have(value.get("conversations"), "from", "value"):
        return "conversations"
    if _items_have(value.get("messages"), "role", "content"):
        return "messages"
    if value.keys() >= {"prompt", "completion"}:
        return "prompts"
    if "question" in value and not value.keys().isdisjoint(("answer", "answers")):
        return "vqa"
    if not value.keys().isdisjoint(("ground_truth", "gt_parse")):
        return "keyValues"
    if not value.keys().isdisjoint(("boxes", "bboxes", "objects")):
        return "grounding"
    if not value.keys().isdisjoint(("caption", "captions")):
        return "captions"
    return None


def hint(value: Any, context: Context) -> str:
    """The end of an error about a missing column: which format the row looks like. Empty where none is recognised."""
    found = format_of(value)
    if found is None or found == context.dataset.format:
        return ""
    return f"the row looks like the form {found}: set {context.field}.format: {found}"


def _items_have(items: Any, *keys: str) -> bool:
    return isinstance(items, list) and any(
        isinstance(item, Mapping) and all(key in item for key in keys) for item in items
    )
