"""Lines of printed digits, drawn with Pillow: what the demo's base model learns to read before it meets handwriting."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

from lines import LINE_HEIGHT, WIDTH_STEP, Line, round_up
from PIL import Image, ImageDraw, ImageFont

FONT_PATTERN = "DejaVu*.ttf"
FONTS_LEFT_OUT = {"DejaVuMathTeXGyre.ttf"}
FONT_SIZES = range(21, 28)


def find_fonts(folder: Path) -> list[Path]:
    """The DejaVu fonts below `folder`, in a stable order."""
    fonts = sorted(path for path in folder.glob(FONT_PATTERN) if path.name not in FONTS_LEFT_OUT)
    if not fonts:
        raise SystemExit(f"--fonts {folder}: no {FONT_PATTERN} there; name the folder of the DejaVu fonts.")
    return fonts


@cache
def load_font(path: Path, size: int) -> ImageFont.FreeTypeFont:
    """A font at one size; drawing asks for the same few hundreds again and again."""
    return ImageFont.truetype(str(path), size)


def draw_line(rng: random.Random, fonts: list[Path], digits: range = range(3, 8)) -> Line:
    """One line with a random font, size, spacing, place, paper and ink."""
    text = "".join(rng.choices("0123456789", k=rng.choice(digits)))
    font = load_font(rng.choice(fonts), rng.choice(FONT_SIZES))
    spacing = rng.uniform(-0.5, 4.0)
    left = rng.uniform(1, 8)
    advances = [font.getlength(character) + spacing for character in text]
    width = round_up(left + sum(advances) + rng.uniform(2, 10), WIDTH_STEP)

    paper, ink = rng.randint(215, 255), rng.randint(0, 80)
    image = Image.new("L", (width, LINE_HEIGHT), paper)
    draw = ImageDraw.Draw(image)
    _, top, _, bottom = font.getbbox("0123456789")
    y = (LINE_HEIGHT - bottom - top) / 2 + rng.uniform(-2, 2)
    x = left
    for character, advance in zip(text, advances, strict=True):
        draw.text((x, y), character, fill=ink, font=font)
        x += advance
    return Line(image, text)
