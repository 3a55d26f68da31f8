"""Data shapes: from one value of a data file to a `Row`.

A shape is one function in a module of its own, entered in `SHAPES` under the name that `spec.dataset.format` uses.
"""

from __future__ import annotations

from collections.abc import Mapping

from visionft_api.spec.dataset import DatasetFormat

from visionft_trainer.data.shapes.base import Context, Shape
from visionft_trainer.data.shapes.captions import parse_captions
from visionft_trainer.data.shapes.columns import parse_columns
from visionft_trainer.data.shapes.conversations import parse_conversations
from visionft_trainer.data.shapes.grounding import parse_grounding
from visionft_trainer.data.shapes.key_values import parse_key_values
from visionft_trainer.data.shapes.messages import parse_messages
from visionft_trainer.data.shapes.prompts import parse_prompts
from visionft_trainer.data.shapes.vqa import parse_vqa

SHAPES: Mapping[DatasetFormat, Shape] = {
    "messages": parse_messages,
    "conversations": parse_conversations,
    "prompts": parse_prompts,
    "captions": parse_captions,
    "vqa": parse_vqa,
    "keyValues": parse_key_values,
    "grounding": parse_grounding,
    "columns": parse_columns,
}

__all__ = ["SHAPES", "Context", "Shape"]
