"""Data shapes: from one value of a data file to a `Row`.

A shape is one function in a module of its own, entered in `SHAPES` under the name that `spec.dataset.format` uses.
"""

from __future__ import annotations

from collections.abc import Mapping

from visionft_trainer.shapes.base import Context, Shape
from visionft_trainer.shapes.messages import parse_messages

SHAPES: Mapping[str, Shape] = {"messages": parse_messages}

__all__ = ["SHAPES", "Context", "Shape"]
