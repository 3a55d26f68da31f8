"""Coloured shapes on paper, drawn with Pillow: pictures whose right description is known."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

COLOURS = {
    "red": (205, 45, 45),
    "green": (40, 150, 65),
    "blue": (45, 85, 200),
    "orange": (240, 145, 35),
    "purple": (135, 60, 165),
    "black": (35, 35, 35),
}
SHAPES = ("circle", "square", "triangle", "cross")
CANVAS = 96
"""Pixels of either side: 36 tokens of the model."""
SIDES = range(22, 37)
"""Pixels that a shape may be wide; it is as high."""
GAP = 3
COLOUR_SPREAD = 18
ATTEMPTS = 200


@dataclass(frozen=True)
class Thing:
    """One shape; edges in pixels from the top left."""

    colour: str
    shape: str
    left: int
    top: int
    right: int
    bottom: int

    @property
    def name(self) -> str:
        """Such as `red circle`."""
        return f"{self.colour} {self.shape}"


@dataclass(frozen=True)
class Scene:
    """A picture and what is on it, from left to right. No two things have the same name."""

    image: Image.Image
    things: tuple[Thing, ...]


def draw_scene(rng: random.Random, counts: Sequence[int], tray: int | None = None) -> Scene:
    """As many things as one of `counts` says, none touching another; each in a compartment of a tray of tray x tray."""
    names = rng.sample([(colour, shape) for colour in COLOURS for shape in SHAPES], rng.choice(counts))
    things: list[Thing] = []
    for colour, shape in names:
        for _ in range(ATTEMPTS):
            thing = _place(rng, colour, shape, tray)
            if not any(_touch(thing, other) for other in things):
                things.append(thing)
                break
    paper = rng.randint(225, 255)
    image = Image.new("RGB", (CANVAS, CANVAS), (paper, paper, paper))
    draw = ImageDraw.Draw(image)
    for thing in things:
        _draw(draw, thing, rng)
    return Scene(image, tuple(sorted(things, key=lambda thing: thing.left)))


def _place(rng: random.Random, colour: str, shape: str, tray: int | None) -> Thing:
    if tray is None:
        side = rng.choice(SIDES)
        left, top = rng.randint(1, CANVAS - side - 1), rng.randint(1, CANVAS - side - 1)
    else:
        cell = CANVAS // tray
        side = rng.randint(cell - 10, cell - 2 * GAP)
        left, top = (rng.randrange(tray) * cell + rng.randint(1, cell - side - 1) for _ in range(2))
    return Thing(colour, shape, left, top, left + side, top + side)


def _touch(one: Thing, other: Thing) -> bool:
    return (
        one.left < other.right + GAP
        and other.left < one.right + GAP
        and one.top < other.bottom + GAP
        and other.top < one.bottom + GAP
    )


def _draw(draw: ImageDraw.ImageDraw, thing: Thing, rng: random.Random) -> None:
    ink = tuple(min(255, max(0, value + rng.randint(-COLOUR_SPREAD, COLOUR_SPREAD))) for value in COLOURS[thing.colour])
    box = (thing.left, thing.top, thing.right, thing.bottom)
    third = (thing.right - thing.left) / 3
    match thing.shape:
        case "circle":
            draw.ellipse(box, fill=ink)
        case "square":
            draw.rectangle(box, fill=ink)
        case "triangle":
            middle = (thing.left + thing.right) / 2
            draw.polygon([(middle, thing.top), (thing.right, thing.bottom), (thing.left, thing.bottom)], fill=ink)
        case _:
            draw.rectangle((thing.left + third, thing.top, thing.right - third, thing.bottom), fill=ink)
            draw.rectangle((thing.left, thing.top + third, thing.right, thing.bottom - third), fill=ink)
