"""Printed papers, drawn with Pillow in the font that it carries: loose lines of text, and receipts."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache

from PIL import Image, ImageDraw, ImageFont

TOKEN = 16
"""Pixels of either side that one token of the model covers; papers are whole tokens wide and high."""
WIDTH = 160
LINE_HEIGHT = 26
MARGIN = 6
FONT_SIZES = (19, 20, 21)
SHOPS = ("Corner Cafe", "Green Market", "Book Nook", "City Bakery", "Toy Box", "Old Mill", "Sea Grill", "Bike Barn")
GOODS = ("tea", "bread", "milk", "soup", "cake", "rice", "pen", "map", "lamp", "soap", "apples", "coffee")


@dataclass(frozen=True)
class Receipt:
    """What a receipt says."""

    shop: str
    date: str
    """As YYYY-MM-DD."""
    item: str
    price: str

    @property
    def lines(self) -> list[tuple[str, str]]:
        """Its lines: what stands at the left, and at the right."""
        return [(self.shop, ""), (self.date, ""), (self.item, self.price)]


def write_receipt(rng: random.Random) -> Receipt:
    """A receipt for one thing."""
    return Receipt(rng.choice(SHOPS), _date(rng), rng.choice(GOODS), _price(rng))


def write_lines(rng: random.Random) -> list[tuple[str, str]]:
    """One to three lines in any order, most often one: reading begins with a single line."""
    return [_line(rng) for _ in range(rng.choices((1, 2, 3), weights=(5, 2, 1))[0])]


def draw_lines(rng: random.Random, lines: list[tuple[str, str]]) -> Image.Image:
    """Lines below each other, the second part of each at the right edge."""
    font = _font(rng.choice(FONT_SIZES))
    top = rng.randint(2, 8)
    height = -(-(top + LINE_HEIGHT * len(lines) + 4) // TOKEN) * TOKEN
    paper, ink = rng.randint(225, 255), rng.randint(0, 70)
    image = Image.new("L", (WIDTH, height), paper)
    draw = ImageDraw.Draw(image)
    left = MARGIN + rng.randint(-3, 3)
    for index, (first, last) in enumerate(lines):
        y = top + LINE_HEIGHT * index
        draw.text((left, y), first, fill=ink, font=font)
        if last:
            draw.text((WIDTH - left - font.getlength(last), y), last, fill=ink, font=font)
    return image


def text_of(lines: list[tuple[str, str]]) -> str:
    """The lines as they are read aloud."""
    return "\n".join(f"{first} {last}".strip() for first, last in lines)


def _line(rng: random.Random) -> tuple[str, str]:
    match rng.randrange(5):
        case 0:
            return rng.choice(SHOPS), ""
        case 1:
            return _date(rng), ""
        case 2:
            return rng.choice(GOODS), _price(rng)
        case 3:
            return "", _price(rng)
        case _:
            return "".join(rng.choices("0123456789", k=rng.randint(3, 8))), ""


def _date(rng: random.Random) -> str:
    return f"20{rng.randint(20, 29)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"


def _price(rng: random.Random) -> str:
    cents = rng.randint(50, 9999)
    return f"{cents // 100}.{cents % 100:02d}"


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)
