"""Draw pages of random words with their text as the answer: `python make_pages.py FOLDER [--rows 64] [--side 896]`."""

import argparse
import json
import random
from pathlib import Path

from PIL import Image, ImageDraw

WORDS = ["invoice", "total", "amount", "date", "number", "street", "payment", "account", "tax", "order", "price", "net"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--side", type=int, default=896, help="pixels; 896 make 1,024 image tokens")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(0)
    lines = []
    for index in range(options.rows):
        text = "\n".join(" ".join(chance.choices(WORDS, k=8)) for _ in range(8))
        image = Image.new("RGB", (options.side, options.side), "white")
        ImageDraw.Draw(image).multiline_text((40, 40), text, fill="black")
        image.save(options.folder / f"{index}.png")
        question = [
            {"type": "image_url", "image_url": {"url": f"{index}.png"}},
            {"type": "text", "text": "Read the page."},
        ]
        messages = [{"role": "user", "content": question}, {"role": "assistant", "content": text}]
        lines.append(json.dumps({"messages": messages}))
    (options.folder / "train.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
