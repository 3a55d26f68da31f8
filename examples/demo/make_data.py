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
import math
import random
from dataclasses import dataclass
from pathlib import Path

from lines import LINE_HEIGHT, PROMPT, WIDTH_STEP, Line, round_up
from PIL import Image, ImageOps
from sklearn.datasets import load_digits

SCAN_PIXELS = 8
GREY_LEVELS = 16
VALIDATION_SHARE = 0.2
VALIDATION_LINES = 200
TRAIN_LINES = 4_800
DIGITS_PER_LINE = range(4, 8)
MARGIN = 4
"""Pixels to the left and right of a digit that its slant may reach into."""
SPACING = (-15.0, -10.0)
"""Pixels between two digits with their margins; scans have empty borders too, so some overlap looks natural."""


@dataclass(frozen=True)
class Hand:
    """How much the writing varies from digit to digit: ranges, or the most to either side."""

    scale: tuple[float, float]
    """Pixels that a pixel of a scan becomes, chosen for width and height apart."""
    tilt: float
    """Degrees."""
    slant: float
    """Pixels to the side for each pixel of height."""
    lift: float
    """Pixels up or down."""


CALM = Hand(scale=(3.2, 3.6), tilt=2, slant=0.05, lift=1)
"""Of the lines that are measured on."""
LIVELY = Hand(scale=(3.0, 3.7), tilt=6, slant=0.15, lift=1.5)
"""Of the lines that are learnt from: 1,400 scans alone would be learnt by heart (data augmentation)."""


@dataclass(frozen=True)
class Scan:
    """One handwritten digit: ink 0 (paper) to 255, 8 x 8 and a pixel of paper around it."""

    ink: Image.Image
    digit: str


def load_scans() -> list[Scan]:
    """The 1,797 scans that scikit-learn carries, in its order."""
    images, digits = load_digits(return_X_y=True)
    inks = (images.reshape(-1, SCAN_PIXELS, SCAN_PIXELS) * (255 / GREY_LEVELS)).astype("uint8")
    framed = (ImageOps.expand(Image.fromarray(ink), border=1) for ink in inks)
    return [Scan(ink, str(digit)) for ink, digit in zip(framed, digits, strict=True)]


def split_scans(scans: list[Scan], rng: random.Random) -> tuple[list[Scan], list[Scan]]:
    """Train and validation scans, with no scan in both."""
    shuffled = rng.sample(scans, len(scans))
    held_out = round(len(scans) * VALIDATION_SHARE)
    return shuffled[held_out:], shuffled[:held_out]


def draw_line(scans: list[Scan], hand: Hand, rng: random.Random) -> Line:
    """A line of scans side by side, on paper and with ink of its own."""
    chosen = rng.choices(scans, k=rng.choice(DIGITS_PER_LINE))
    spacing = rng.uniform(*SPACING)
    x = rng.uniform(1, 6) - MARGIN
    stamps = []
    for scan in chosen:
        mask = write(scan, hand, rng)
        stamps.append((mask, round(x)))
        x += mask.width + spacing + rng.uniform(-1, 1)

    width = round_up(max(left + mask.width for mask, left in stamps) + rng.uniform(0, 4), WIDTH_STEP)
    paper, ink = rng.randint(215, 255), rng.randint(0, 80)
    image = Image.new("L", (width, LINE_HEIGHT), paper)
    for mask, left in stamps:
        image.paste(ink, (left, 0), mask=mask)
    return Line(image, "".join(scan.digit for scan in chosen))


def write(scan: Scan, hand: Hand, rng: random.Random) -> Image.Image:
    """One digit as the hand writes it: where its ink goes, `LINE_HEIGHT` pixels high."""
    across, down = rng.uniform(*hand.scale), rng.uniform(*hand.scale)
    tilt = math.radians(rng.uniform(-hand.tilt, hand.tilt))
    slant = rng.uniform(-hand.slant, hand.slant)
    lift = rng.uniform(-hand.lift, hand.lift)

    # Pillow asks where each pixel of the result comes from: turn back, straighten up, scale down, about the centres.
    cos, sin = math.cos(tilt), math.sin(tilt)
    a, b = (cos - slant * sin) / across, (sin + slant * cos) / across
    d, e = -sin / down, cos / down
    width = round(SCAN_PIXELS * across) + 2 * MARGIN
    x, y = width / 2, LINE_HEIGHT / 2 + lift
    centre = scan.ink.width / 2
    shifts = (centre - a * x - b * y, centre - d * x - e * y)
    return scan.ink.transform(
        (width, LINE_HEIGHT), Image.Transform.AFFINE, (a, b, shifts[0], d, e, shifts[1]), Image.Resampling.BICUBIC
    )


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
    rng = random.Random(seed)
    train, validation = split_scans(load_scans(), rng)
    write_set(folder, "validation", [draw_line(validation, CALM, rng) for _ in range(validation_lines)])
    write_set(folder, "train", [draw_line(train, LIVELY, rng) for _ in range(train_lines)])


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
