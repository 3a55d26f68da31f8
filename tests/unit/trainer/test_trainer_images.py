"""Pictures come out upright, opaque, 8 bits and RGB, whatever they were."""

import io
from typing import Any

import pytest
from PIL import Image
from visionft_trainer.data.images import open_rgb


def encode(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    image = open_rgb(encode(Image.new(mode, (4, 2))), "x")
    assert (image.mode, image.size) == ("RGB", (4, 2))


def test_cmyk_jpeg() -> None:
    image = open_rgb(encode(Image.new("CMYK", (8, 8), (0, 0, 0, 0)), "JPEG"), "x")
    assert image.getpixel((4, 4)) == (255, 255, 255)


def test_transparency_lies_on_white() -> None:
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    image.putpixel((1, 0), (255, 0, 0, 255))
    upright = open_rgb(encode(image), "x")
    assert [upright.getpixel((x, 0)) for x in (0, 1)] == [(255, 255, 255), (255, 0, 0)]


def test_sixteen_bits_keep_their_brightness() -> None:
    image = Image.new("I;16", (3, 1))
    for x, value in enumerate((0, 32_896, 65_535)):
        image.putpixel((x, 0), value)
    assert [open_rgb(encode(image), "x").getpixel((x, 0))[0] for x in range(3)] == [0, 128, 255]


def test_camera_rotation_is_undone() -> None:
    image = Image.new("RGB", (4, 2), "white")
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: rotate by 90 degrees to see it upright
    assert open_rgb(encode(image, "JPEG", exif=exif), "x").size == (2, 4)


def test_photo_with_its_preview_behind_it() -> None:
    photo = encode(Image.new("RGB", (8, 6), "white"), "MPO", save_all=True, append_images=[Image.new("RGB", (4, 3))])
    image = open_rgb(photo, "x")
    assert (image.size, image.getpixel((1, 1))) == ((8, 6), (255, 255, 255))
