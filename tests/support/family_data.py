"""Chat rows that every family's tests share: no picture, one, two of different sizes, three over two turns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from support.tiny_data import draw_number, write_rows

SIZES = {"31": (64, 32), "7": (32, 80), "208": (144, 48), "5": (48, 48)}
"""Width and height of the picture of each number."""
TRAIN_FILE = "train.jsonl"

Message = dict[str, Any]


def _user(*parts: str) -> Message:
    """Names of pictures and words, in their order."""
    content = [
        {"type": "image_url", "image_url": {"url": f"images/{part}.png"}}
        if part in SIZES
        else {"type": "text", "text": part}
        for part in parts
    ]
    return {"role": "user", "content": content}


def _answer(text: str) -> Message:
    return {"role": "assistant", "content": text}


ROWS: tuple[tuple[Message, ...], ...] = (
    (_user("31", "Read the number."), _answer("31")),
    (_user("208", "7", "Which of the two is larger?"), _answer("208 is larger than 7.")),
    ({"role": "user", "content": "Two and two?"}, _answer("4, é")),
    (_user("5", "And this?"), _answer("5"), _user("31", "7", "Now both:"), _answer("31, 7")),
)
PICTURES = (1, 2, 0, 3)
"""Pictures of each of `ROWS`."""


def write_family_rows(folder: Path, rows: Sequence[tuple[Message, ...]] = ROWS) -> Path:
    """The rows as JSONL with their images beside them."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for number, size in SIZES.items():
        draw_number(number, size).save(folder / "images" / f"{number}.png")
    return write_rows(folder, TRAIN_FILE, [{"messages": list(messages)} for messages in rows])
