"""Write the demo's data: lines made of scikit-learn's scanned handwritten digits, as chat rows beside their pictures.

    python examples/demo/make_data.py --out FOLDER

    FOLDER/train.jsonl            rows in the OpenAI message form: a picture and a question, then the answer
    FOLDER/train/00000.png        the pictures that the rows name
    FOLDER/validation.jsonl, FOLDER/validation/...

The 1,797 scans (8 x 8 pixels, 17 grey levels) are divided first and made into lines afterwards, so no scan is in both
sets: a good answer on the validation lines means reading, not remembering.
"""

from __future__ import annotations

import argparse
import json
import random
from dataclasses import dataclass
from pathlib import Path

from lines import LINE_HEIGHT, PROMPT, WIDTH_STEP, Line, round_up
from PIL import Image
from sklearn.datasets import load_digits

GREY_LEVELS = 16
VALIDATION_SHARE = 0.2
VALIDATION_LINES = 200
TRAIN_LINES = 4_000
DIGITS_PER_LINE = range(4, 8)
DIGIT_PIXELS = range(20, 27)
"""Height and width that an 8 x 8 scan is drawn at."""


@dataclass(frozen=True)
class Scan:
    """One handwritten digit: ink 0 (paper) to 255, 8 x 8."""

    ink: Image.Image
    digit: str


def load_scans() -> list[Scan]:
    """The 1,797 scans that scikit-learn carries, in its order."""
    images, digits = load_digits(return_X_y=True)
    inks = (images.reshape(-1, 8, 8) * (255 / GREY_LEVELS)).astype("uint8")
    return [Scan(Image.fromarray(ink), str(digit)) for ink, digit in zip(inks, digits, strict=True)]


def split_scans(scans: list[Scan], rng: random.Random) -> tuple[list[Scan], list[Scan]]:
    """Train and validation scans, with no scan in both."""
    shuffled = rng.sample(scans, len(scans))
    held_out = round(len(scans) * VALIDATION_SHARE)
    return shuffled[held_out:], shuffled[:held_out]


def draw_line(scans: list[Scan], rng: random.Random) -> Line:
    """A line of scans side by side; size, spacing, place, slant, paper and ink differ from line to line."""
    chosen = rng.choices(scans, k=rng.choice(DIGITS_PER_LINE))
    left, spacing = rng.uniform(1, 8), rng.uniform(-5, 0)
    stamps = []
    x = left
    for scan in chosen:
        side = rng.choice(DIGIT_PIXELS)
        ink = scan.ink.resize((side, side), Image.Resampling.BICUBIC)
        slant = rng.uniform(-0.15, 0.15)
        ink = ink.transform(
            ink.size, Image.Transform.AFFINE, (1, slant, -slant * side / 2, 0, 1, 0), Image.Resampling.BILINEAR
        )
        y = (LINE_HEIGHT - side) / 2 + rng.uniform(-2, 2)
        stamps.append((ink, round(x), round(y)))
        x += side + spacing + rng.uniform(-1, 1)

    width = round_up(x + rng.uniform(2, 10), WIDTH_STEP)
    paper, shade = rng.randint(215, 255), rng.randint(0, 90)
    image = Image.new("L", (width, LINE_HEIGHT), paper)
    for ink, at_x, at_y in stamps:
        image.paste(shade, (at_x, at_y), mask=ink)
    return Line(image, "".join(scan.digit for scan in chosen))


def chat_row(picture: str, answer: str) -> dict[str, object]:
    """One row; the picture's path is relative to the JSONL file."""
    question = [{"type": "image_url", "image_url": {"url": picture}}, {"type": "text", "text": PROMPT}]
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def write_set(folder: Path, name: str, lines: list[Line]) -> None:
    """`name`.jsonl and its pictures in the folder `name` beside it."""
    pictures = folder / name
    pictures.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.jsonl").open("w") as rows:
        for index, line in enumerate(lines):
            picture = pictures / f"{index:05d}.png"
            line.image.save(picture)
            rows.write(json.dumps(chat_row(f"{name}/{picture.name}", line.text)) + "\n")


def make_data(
    folder: Path, *, seed: int = 0, train_lines: int = TRAIN_LINES, validation_lines: int = VALIDATION_LINES
) -> None:
    """Both sets below `folder`; the same seed writes the same files."""
    rng = random.Random(seed)  # noqa: S311 - pictures, not secrets
    train, validation = split_scans(load_scans(), rng)
    write_set(folder, "validation", [draw_line(validation, rng) for _ in range(validation_lines)])
    write_set(folder, "train", [draw_line(train, rng) for _ in range(train_lines)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train", type=int, default=TRAIN_LINES, help="lines to train on (default %(default)s)")
    parser.add_argument("--validation", type=int, default=VALIDATION_LINES, help="held-out lines (default %(default)s)")
    arguments = parser.parse_args()
    make_data(arguments.out, seed=arguments.seed, train_lines=arguments.train, validation_lines=arguments.validation)


if __name__ == "__main__":
    main()
