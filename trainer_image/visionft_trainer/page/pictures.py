"""Small copies of pictures for the page, within a budget of bytes."""

from __future__ import annotations

import io
from collections.abc import Iterator

from PIL.Image import Image, Resampling

LONGEST_SIDE = 640  # pixels of a small copy
SMALL_SIDE = 160  # pixels: nothing is made smaller than this to save bytes
QUALITIES = (82, 65, 45, 30)  # of JPEG, tried in turn
FINE_SIDE, FINE_QUALITY = 320, 95  # pixels; below, a page enlarges pictures, and shows what JPEG does to edges
# 4.5 MB of a page of 5 MB once they are written in base64, which makes three bytes four.
PICTURES_BYTES = 3_300_000
MORE_BYTES = 400_000  # of one picture; only noise has more at this size


def budget_for(count: int) -> int:
    """Bytes that each of `count` pictures may have."""
    return min(PICTURES_BYTES // max(count, 1), MORE_BYTES)


def shrink(image: Image, budget: int) -> tuple[bytes, Image]:
    """A JPEG of `image` (RGB) of at most `budget` bytes, or the smallest that is tried, and the copy that is in it."""
    for side in _sides():
        copy = image.copy()
        copy.thumbnail((side, side), Resampling.LANCZOS)
        for quality in (FINE_QUALITY, *QUALITIES) if max(copy.size) <= FINE_SIDE else QUALITIES:
            data = _jpeg(copy, quality)
            if len(data) <= budget:
                return data, copy
    return data, copy


def _sides() -> Iterator[int]:
    side = LONGEST_SIDE
    while side >= SMALL_SIDE:
        yield side
        side //= 2


def _jpeg(image: Image, quality: int) -> bytes:
    file = io.BytesIO()
    image.save(
        file, "JPEG", quality=quality, subsampling=0 if quality == FINE_QUALITY else 2, optimize=True, progressive=True
    )
    return file.getvalue()
