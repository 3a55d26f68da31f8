"""A hash of what a picture looks like: copies that were scaled, compressed or lightened differ in few bits.

The method is the DCT hash of C. Zauner, "Implementation and benchmarking of perceptual image hash functions" (2010),
section 3.2.1: the picture in grey, 32 x 32, its discrete cosine transform, and for each low frequency one bit: above
the median or not. 8 x 8 frequencies are usual. Pages, forms and lines of text differ in finer ones: of 80 drawn lines
of words two differ in 2 of the 64 coarse bits, as copies of one do, yet in 40 of the 256 bits of 16 x 16 frequencies,
where copies stay below 13. So two pictures are near each other only when both hashes are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

Words = np.ndarray[Any, np.dtype[np.uint64]]
Floats = np.ndarray[Any, np.dtype[Any]]

SIDE = 32  # pixels of the reduced picture, each way
COARSE, FINE = 8, 16  # frequencies, each way
COARSE_BITS = COARSE * COARSE
FINE_WORDS = FINE * FINE // 64
NEAR_COARSE_BITS = 4  # of 64 may differ
NEAR_FINE_BITS = 24  # of 256 may differ
BLANK_CONTRAST = 1.5  # of 255: a reduced picture with less shows nothing that could be told apart


def _cosines() -> Floats:
    """`[FINE, SIDE]`: the first rows of the orthonormal DCT-II matrix."""
    frequency, pixel = np.arange(FINE)[:, None], np.arange(SIDE)[None]
    matrix = np.cos(np.pi * (2 * pixel + 1) * frequency / (2 * SIDE)) * np.sqrt(2 / SIDE)
    matrix[0] /= np.sqrt(2)
    return np.asarray(matrix, dtype=np.float32)


COSINES = _cosines()


def perceptual_hash(grey: Image.Image) -> tuple[int, bytes] | None:
    """The coarse hash (64 bits) and the fine one (32 bytes) of a picture of mode L. None for a blank one."""
    small = np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.LANCZOS), dtype=np.float32)
    if small.std() < BLANK_CONTRAST:
        return None
    frequencies: Floats = COSINES @ small @ COSINES.T
    coarse = _bits(frequencies[:COARSE, :COARSE].ravel())
    fine = _bits(frequencies.ravel())
    return int.from_bytes(coarse, "little"), fine


def _bits(frequencies: Floats) -> bytes:
    """One bit for each: above the median of all but the first, which is the picture's brightness and gets 0."""
    others = frequencies[1:]
    middle = len(others) // 2
    above = frequencies > np.partition(others, middle)[middle]
    above[0] = False
    return np.packbits(above).tobytes()


def near(coarse_a: Words, coarse_b: Words, fine_a: Words, fine_b: Words) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which of `[N]` pairs look the same; `fine` is `[N, FINE_WORDS]`."""
    close = np.bitwise_count(coarse_a ^ coarse_b) <= NEAR_COARSE_BITS
    distance = np.bitwise_count(fine_a ^ fine_b).sum(axis=-1, dtype=np.int64)
    return np.asarray(close & (distance <= NEAR_FINE_BITS), dtype=np.bool_)
