"""What printed and handwritten lines have in common: their form, and the question that is asked about them."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

PROMPT = "Read the digits."
LINE_HEIGHT = 32
"""Pixels. Two tokens of the model (patch 8, merge 2: a token covers 16 x 16 pixels)."""
WIDTH_STEP = 16
"""Widths are multiples of a token, so that the processor passes a line on without resizing it."""


@dataclass(frozen=True)
class Line:
    """A grey picture, `LINE_HEIGHT` pixels high, and the digits on it."""

    image: Image.Image
    text: str


def round_up(value: float, step: int) -> int:
    """The smallest multiple of `step` that is not below `value`."""
    return int(-(-value // step) * step)
