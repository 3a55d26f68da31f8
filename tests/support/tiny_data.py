"""Small data sets of drawn numbers, as the trainer reads them: a JSONL file with images beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

QUESTION = "Read the number."


def draw_number(text: str, size: tuple[int, int] = (64, 32)) -> Image.Image:
    """Black digits on white."""
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).text((4, 8), text, fill="black")
    return image


def row(image: str, answer: str, question: str = QUESTION) -> dict[str, Any]:
    """A user message with an image, and its answer."""
    content = [{"type": "image_url", "image_url": {"url": image}}, {"type": "text", "text": question}]
    return {"messages": [{"role": "user", "content": content}, {"role": "assistant", "content": answer}]}


def write_rows(folder: Path, name: str, rows: list[Any]) -> Path:
    """Write `rows` as JSONL; strings and bytes are written as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        value if isinstance(value, bytes) else (value if isinstance(value, str) else json.dumps(value)).encode()
        for value in rows
    ]
    (folder / name).write_bytes(b"\n".join(lines) + b"\n")
    return folder / name


def write_numbers(folder: Path, name: str, count: int, *, first: int = 10) -> Path:
    """`count` rows with an image each."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(first, first + count):
        path = f"images/{number}.png"
        draw_number(str(number)).save(folder / path)
        rows.append(row(path, str(number)))
    return write_rows(folder, name, rows)
