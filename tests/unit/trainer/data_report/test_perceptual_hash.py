"""Copies of a picture are near it; other pictures, lines of other words among them, are not."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFont
from visionft_trainer.data.report.perceptual_hash import near, perceptual_hash

WORDS = [
    "the",
    "quick",
    "brown",
    "fox",
    "jumps",
    "over",
    "lazy",
    "dogs",
    "while",
    "seven",
    "wizards",
    "mix",
    "quartz",
    "jars",
    "invoice",
    "total",
    "amount",
]


def line(seed: int) -> Image.Image:
    words = np.random.default_rng(seed).choice(WORDS, 7)
    image = Image.new("L", (512, 32), 255)
    ImageDraw.Draw(image).text((4, 4), " ".join(words), fill=0, font=ImageFont.load_default(18))
    return image


def page(seed: int) -> Image.Image:
    random = np.random.default_rng(seed)
    image = Image.new("L", (300, 400), 255)
    for y in range(10, 390, 12):
        ImageDraw.Draw(image).text((10, y), " ".join(random.choice(WORDS, 8)), fill=0, font=ImageFont.load_default(9))
    return image


def are_near(a: Image.Image, b: Image.Image) -> bool:
    (coarse_a, fine_a), (coarse_b, fine_b) = perceptual_hash(a), perceptual_hash(b)  # type: ignore[misc]
    words = [np.frombuffer(fine, dtype="<u8")[None] for fine in (fine_a, fine_b)]
    return bool(near(np.array([coarse_a], dtype="<u8"), np.array([coarse_b], dtype="<u8"), *words)[0])


def as_jpeg(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=50)
    return Image.open(file)


COPIES = {
    "jpeg": as_jpeg,
    "smaller": lambda image: image.resize((image.width * 7 // 10, image.height * 7 // 10), Image.Resampling.BICUBIC),
    "larger": lambda image: image.resize((image.width * 3 // 2, image.height * 3 // 2), Image.Resampling.BICUBIC),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.85),
}


@pytest.mark.parametrize("draw", [line, page])
@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES.keys())
def test_a_copy_is_near(draw: Callable[[int], Image.Image], copy: Callable[[Image.Image], Image.Image]) -> None:
    assert all(are_near(draw(seed), copy(draw(seed))) for seed in range(10))


@pytest.mark.parametrize("draw", [line, page])
def test_other_words_are_not_near(draw: Callable[[int], Image.Image]) -> None:
    pictures = [draw(seed) for seed in range(40)]
    assert not any(are_near(a, b) for number, a in enumerate(pictures) for b in pictures[:number])


def test_a_blank_picture_has_no_look() -> None:
    speck = Image.new("L", (200, 200), 255)
    speck.putpixel((9, 9), 0)
    assert perceptual_hash(Image.new("L", (64, 64), 17)) is None
    assert perceptual_hash(speck) is None
