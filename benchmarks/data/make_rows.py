"""Write a data set of drawn numbers to measure with: `python benchmarks/data/make_rows.py --rows 200000 --out DIR`.

Rows are in train.jsonl, pictures (PNG, about 1 kB) in folders of a thousand. One row in a hundred repeats an earlier
one, one is a copy that only looks the same, and one is broken; a validation set of 200 shares one picture in fifty.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIZE = (128, 32)
PER_FOLDER = 1000
VALIDATION_ROWS = 200
FONT = ImageFont.load_default(18)
KINDS = {17: "repeated", 43: "alike", 71: "broken"}  # by row number modulo 100


def draw(text: str, random: np.random.Generator) -> Image.Image:
    """Dark digits on light paper of coarse speckles."""
    paper = random.integers(200, 256, (SIZE[1] // 8, SIZE[0] // 8, 3), dtype=np.uint8)
    image = Image.fromarray(paper).resize(SIZE, Image.Resampling.NEAREST)
    place = (int(random.integers(2, 20)), int(random.integers(0, 8)))
    ImageDraw.Draw(image).text(place, text, fill=(20, 20, 30), font=FONT)
    return image


def row(path: str, answer: str) -> str:
    """A line of the JSONL file."""
    content = [{"type": "image_url", "image_url": {"url": path}}, {"type": "text", "text": "Read the number."}]
    return json.dumps({"messages": [{"role": "user", "content": content}, {"role": "assistant", "content": answer}]})


def write(out: Path, rows: int) -> None:
    """Write both splits below `out`."""
    random = np.random.default_rng(0)
    out.mkdir(parents=True, exist_ok=True)
    earlier: tuple[Image.Image, str, str] | None = None
    with (out / "train.jsonl").open("w") as train:
        for number in range(rows):
            folder = out / f"{number // PER_FOLDER:04d}"
            if number % PER_FOLDER == 0:
                folder.mkdir(exist_ok=True)
            path, answer = f"{folder.name}/{number:07d}.png", str(random.integers(10**6, 10**7))
            kind = KINDS.get(number % 100) if earlier else None
            if kind == "repeated":
                _, path, answer = earlier
            elif kind == "alike":
                image, _, answer = earlier
                image.point(lambda value: value * 0.95).save(out / path)
            else:
                image = draw(answer, random)
                image.save(out / path, compress_level=1)
                if kind == "broken":
                    (out / path).write_bytes((out / path).read_bytes()[:200])
                else:
                    earlier = (image, path, answer)
            train.write(row(path, answer) + "\n")
    (out / "validation").mkdir(exist_ok=True)
    with (out / "validation.jsonl").open("w") as validation:
        for number in range(VALIDATION_ROWS):
            path, answer = f"validation/{number}.png", str(random.integers(10**6, 10**7))
            draw(answer, random).save(out / path)
            validation.write(row("0000/0000000.png" if number % 50 == 0 else path, answer) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    write(arguments.out, arguments.rows)
