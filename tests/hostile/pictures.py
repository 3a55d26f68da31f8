"""Pictures that cameras, scanners, programs and accidents make, each with what reading it must give."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, PngImagePlugin

Colour = tuple[int, int, int]
COLOURS: tuple[Colour, ...] = ((200, 30, 40), (30, 160, 60), (40, 60, 190), (240, 240, 240))
GREYS: tuple[Colour, ...] = tuple((level, level, level) for level in (0, 90, 180, 255))  # type: ignore[assignment]
LOSSLESS, LOSSY = 2, 24  # of 255, each channel
# How a camera that was held otherwise stores an upright picture, by EXIF's number for it.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
ORIENTATION = 0x0112


@dataclass(frozen=True)
class Outcome:
    """What reading must give: an error with certain words, or the picture's quarters in their colours."""

    error: str = ""
    quarters: tuple[Colour, ...] = COLOURS
    size: tuple[int, int] = (0, 0)
    tolerance: int = LOSSLESS


@dataclass(frozen=True)
class Sample:
    """An encoded picture."""

    kind: str
    data: bytes
    outcome: Outcome


Make = Callable[[np.random.Generator], Sample]


def quartered(size: tuple[int, int], colours: tuple[Colour, ...] = COLOURS) -> Image.Image:
    """Four quarters: top left, top right, bottom left, bottom right."""
    width, height = size
    image = Image.new("RGB", size)
    for number, colour in enumerate(colours):
        left, top = width // 2 * (number % 2), height // 2 * (number // 2)
        image.paste(colour, (left, top, left + width // 2, top + height // 2))
    return image


def encode(image: Image.Image, form: str, **options: object) -> bytes:
    """The bytes of a file."""
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def sizes(random: np.random.Generator) -> tuple[int, int]:
    """Even sides, never a square: a turned picture shows."""
    width = int(random.integers(16, 60)) * 2
    return width, width + int(random.integers(2, 9)) * 4


def _sound(form: str, mode: str = "RGB", **options: object) -> Make:
    def make(random: np.random.Generator) -> Sample:
        size = sizes(random)
        grey = mode in ("L", "I;16", "LA")
        image = quartered(size, GREYS if grey else COLOURS)
        lossy = form == "JPEG" or (form == "WEBP" and not options.get("lossless"))
        if mode == "I;16":
            levels = np.asarray(image.convert("L"), dtype=np.uint16) * 257
            image = Image.fromarray(levels)
        elif mode == "P":
            image = image.quantize(16)
        else:
            image = image.convert(mode)
        outcome = Outcome(
            quarters=GREYS if grey else COLOURS, size=size, tolerance=LOSSY if lossy or mode == "CMYK" else LOSSLESS
        )
        return Sample(f"{form} {mode} {options or ''}".strip(), encode(image, form, **options), outcome)

    return make


def _turned(form: str, orientation: int) -> Make:
    def make(random: np.random.Generator) -> Sample:
        size = sizes(random)
        image = quartered(size)
        how = STORED[orientation]
        stored = image if how is None else image.transpose(how)
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        return Sample(
            f"{form} turned {orientation}", encode(stored, form, exif=exif), Outcome(size=size, tolerance=LOSSY)
        )

    return make


def _wrong_orientation(random: np.random.Generator) -> Sample:
    size = sizes(random)
    exif = Image.Exif()
    exif[ORIENTATION] = int(random.choice([0, 9, 77, 65535]))
    return Sample(
        "unknown orientation", encode(quartered(size), "JPEG", exif=exif), Outcome(size=size, tolerance=LOSSY)
    )


def _transparent(form: str) -> Make:
    def make(random: np.random.Generator) -> Sample:
        size = sizes(random)
        image = quartered(size).convert("RGBA")
        image.paste((0, 0, 0, 0), (0, 0, size[0] // 2, size[1] // 2))
        quarters = ((255, 255, 255), *COLOURS[1:])
        options: dict[str, object] = {"lossless": True} if form == "WEBP" else {}
        if form == "GIF":
            image = image.convert("P")
            image.info["transparency"] = image.getpixel((1, 1))
        tolerance = 60 if form == "GIF" else LOSSLESS  # the palette of a GIF is a common one
        outcome = Outcome(quarters=quarters, size=size, tolerance=tolerance)
        return Sample(f"{form} transparent", encode(image, form, **options), outcome)

    return make


def _cut(form: str) -> Make:
    def make(random: np.random.Generator) -> Sample:
        noise = random.integers(0, 256, (60, 80, 3), dtype=np.uint8)
        whole = encode(Image.fromarray(noise), form)
        data = whole[: int(len(whole) * random.uniform(0.3, 0.9))]
        return Sample(f"{form} cut off", data, Outcome(error="is truncated or broken"))

    return make


def _short(random: np.random.Generator) -> Sample:
    whole = encode(quartered((40, 60)), str(random.choice(["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF"])))
    return Sample("first bytes only", whole[: int(random.integers(1, 12))], Outcome(error="image"))


def _empty(random: np.random.Generator) -> Sample:
    return Sample("empty", b"", Outcome(error="is empty"))


def _animated(form: str) -> Make:
    def make(random: np.random.Generator) -> Sample:
        frames = [quartered(sizes(random)) for _ in range(int(random.integers(2, 5)))]
        frames = [frame.resize(frames[0].size) for frame in frames]
        frames[1] = Image.eval(frames[1], lambda value: 255 - value)
        data = encode(frames[0], form, save_all=True, append_images=frames[1:])
        return Sample(f"{form} animated", data, Outcome(error="has several frames"))

    return make


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png(width: int, height: int, body: bytes, *, depth: int = 8, colour: int = 2, extra: bytes = b"") -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + extra + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _bomb(random: np.random.Generator) -> Sample:
    side = int(random.choice([12_000, 30_000, 65_000, 2**31 - 1]))
    body = zlib.compress(bytes(int(random.integers(10, 10_000_000))), 9)
    return Sample("bomb", _png(side, side, body, colour=0), Outcome(error="pixels; the most is 100,000,000"))


def _bomb_by_header(form: str) -> Make:
    def make(random: np.random.Generator) -> Sample:
        side = int(random.integers(20_000, 32_000))
        data = bytearray(encode(quartered((40, 60)), form))
        if form == "GIF":
            struct.pack_into("<HH", data, 6, side, side)
        else:  # BMP: behind the file's header, in its own
            struct.pack_into("<ii", data, 18, side, side)
        return Sample(f"{form} bomb", bytes(data), Outcome(error="pixels; the most is 100,000,000"))

    return make


def _little_data(random: np.random.Generator) -> Sample:
    body = zlib.compress(bytes(int(random.integers(0, 90))))
    return Sample("fewer lines than promised", _png(200, 100, body), Outcome(error="is truncated or broken"))


def _no_pixels(random: np.random.Generator) -> Sample:
    return Sample("no pixels", _png(0, int(random.integers(0, 5)), zlib.compress(b"")), Outcome(error="image"))


def _text_bomb(random: np.random.Generator) -> Sample:
    packed = zlib.compress(bytes(int(random.integers(70, 90)) * 2**20), 9)
    extra = _chunk(b"zTXt", b"Comment\0\0" + packed)
    sound = zlib.compress(b"".join(b"\0" + bytes(3 * 8) for _ in range(6)))
    return Sample("text bomb", _png(8, 6, sound, extra=extra), Outcome(error="is truncated or broken"))


def _wrong_sum(random: np.random.Generator) -> Sample:
    data = bytearray(encode(quartered(sizes(random)), "PNG"))
    place = data.index(b"IDAT") + 6
    data[place] ^= 0xFF
    return Sample("wrong checksum", bytes(data), Outcome(error="is truncated or broken"))


def _no_picture(random: np.random.Generator) -> Sample:
    kinds = [
        random.bytes(int(random.integers(1, 4000))),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<!DOCTYPE html><title>404</title>",
        b"%PDF-1.7\n" + random.bytes(200),
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
        b"PK\x03\x04" + random.bytes(100),
        b"\0" * 500,
        b"MZ" + random.bytes(300),
    ]
    return Sample(
        "no picture", kinds[int(random.integers(len(kinds)))], Outcome(error="is not an image of a known format")
    )


def _foreign(form: str) -> Make:
    def make(random: np.random.Generator) -> Sample:
        return Sample(form, encode(quartered((40, 60)), form), Outcome(error="is not an image of a known format"))

    return make


def _fractions(random: np.random.Generator) -> Sample:
    values = random.random((24, 16), dtype=np.float32)
    return Sample("fractions", encode(Image.fromarray(values), "TIFF"), Outcome(error="a picture of fractions"))


def _wide(random: np.random.Generator) -> Sample:
    values = random.integers(0, 2**31 - 1, (24, 16), dtype=np.int32)
    return Sample("32 bits", encode(Image.fromarray(values), "TIFF"), Outcome(error="save it with 8 or 16 bits"))


def _lab(random: np.random.Generator) -> Sample:
    image = Image.new("LAB", sizes(random), (120, 100, 90))
    return Sample("L*a*b*", encode(image, "TIFF"), Outcome(error="colour space"))


def _pages(random: np.random.Generator) -> Sample:
    pages = [quartered((40, 60)) for _ in range(3)]
    data = encode(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    return Sample("several pages", data, Outcome(error="has several frames"))


def _with_rubbish(form: str) -> Make:
    def make(random: np.random.Generator) -> Sample:
        size = sizes(random)
        data = encode(quartered(size), form) + random.bytes(int(random.integers(1, 2000)))
        tolerance = LOSSY if form == "JPEG" else LOSSLESS
        return Sample(f"{form} with bytes behind it", data, Outcome(size=size, tolerance=tolerance))

    return make


def _much_metadata(random: np.random.Generator) -> Sample:
    size = sizes(random)
    notes = PngImagePlugin.PngInfo()
    for number in range(200):
        notes.add_text(f"note {number}", "x" * 1000, zip=bool(number % 2))
    return Sample("much metadata", encode(quartered(size), "PNG", pnginfo=notes), Outcome(size=size))


def _narrow(random: np.random.Generator) -> Sample:
    size = (2, int(random.integers(500, 2000)) * 2)
    return Sample("narrow", encode(quartered(size), "PNG"), Outcome(size=size))


MAKERS: tuple[Make, ...] = (
    *(_turned(form, number) for form in ("JPEG", "PNG", "WEBP", "TIFF") for number in STORED),
    *(_sound(form) for form in ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")),
    *(_sound("PNG", mode) for mode in ("L", "LA", "P", "RGBA", "I;16")),
    *(_sound("TIFF", mode) for mode in ("L", "I;16", "CMYK", "RGBA", "P")),
    _sound("TIFF", compression="tiff_lzw"),
    _sound("TIFF", "I;16", compression="tiff_adobe_deflate"),
    _sound("JPEG", "CMYK"),
    _sound("JPEG", "L"),
    _sound("JPEG", progressive=True),
    _sound("WEBP", lossless=True),
    *(_transparent(form) for form in ("PNG", "WEBP", "TIFF", "GIF")),
    *(_cut(form) for form in ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")),
    *(_animated(form) for form in ("GIF", "WEBP", "PNG")),
    *(_bomb_by_header(form) for form in ("GIF", "BMP")),
    *(_foreign(form) for form in ("PPM", "TGA", "ICO", "PCX", "AVIF", "JPEG2000", "SGI", "DDS", "EPS", "PDF")),
    *(_with_rubbish(form) for form in ("PNG", "JPEG", "GIF")),
    _wrong_orientation, _short, _empty, _bomb, _little_data, _no_pixels, _text_bomb, _wrong_sum, _no_picture,
    _no_picture, _fractions, _wide, _lab, _pages, _much_metadata, _narrow,
)  # fmt: skip


def samples(count: int, seed: int) -> Iterator[Sample]:
    """`count` samples, every kind in its turn."""
    random = np.random.default_rng(seed)
    for number in range(count):
        yield MAKERS[number % len(MAKERS)](random)
