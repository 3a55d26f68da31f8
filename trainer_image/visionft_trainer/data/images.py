"""Reading pictures that somebody else made: bounded, complete, upright and RGB, or refused with the reason."""

from __future__ import annotations

import io
import os
import threading
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from visionft_trainer.data.rows import BadRowError, Picture, Span
from visionft_trainer.storage.plain_files import NotAFileError, open_plain

MAX_PIXELS = 100_000_000  # an A3 page at 600 dpi has 70 million; beyond is a decompression bomb
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
LARGE_PIXELS = 16_000_000  # a larger picture takes 100 MB and more while it is decoded
KNOWN_FOLDERS = 4096  # whose links have been followed
_one_large = threading.Lock()  # threads decode such pictures one after the other
WIDE_INTEGER_MODES = ("I;16", "I;16B", "I;16L", "I;16N", "I")  # grey with 16 bits a pixel
MAX_16_BITS = 65_535
UNREAD_MODES = {"F": "a picture of fractions, whose white nobody knows", "LAB": "in the L*a*b* colour space"}

# Kinds of mistakes, by which rows are counted.
MISSING, TOO_LARGE, BROKEN = "missing image", "image file too large", "broken image"
BOMB, ANIMATED, UNKNOWN = "image with too many pixels", "image with several frames", "unknown image format"
OUTSIDE = "image out of the folder"


@dataclass(frozen=True)
class ImageRules:
    """What an image must be to be accepted."""

    folder: Path
    """Files lie below it, links followed."""
    max_bytes: int
    """Largest encoded image, in bytes."""


def read_bytes(picture: Picture, rules: ImageRules) -> bytes:
    """The encoded image. Raises `BadRowError` when it is missing, outside the folder, no plain file, or too large."""
    match picture.source:
        case bytes() as data:
            if len(data) > rules.max_bytes:
                raise BadRowError(
                    "", f"{picture_name(picture, rules)} {_too_large(len(data), rules)}", reason=TOO_LARGE
                )
            return data
        case Span() as span:
            if span.size > rules.max_bytes:
                raise BadRowError(
                    "", f"{picture_name(picture, rules)} {_too_large(span.size, rules)}", reason=TOO_LARGE
                )
            try:
                with open_plain(span.file) as file:
                    file.seek(span.offset)
                    return file.read(span.size)
            except OSError as error:
                raise BadRowError(
                    "", f"{picture_name(picture, rules)} cannot be read ({error}); check the file", reason=MISSING
                ) from None
        case path:
            return _read_file(path, rules)


def _read_file(path: Path, rules: ImageRules) -> bytes:
    name = _name(path, rules)
    try:
        real = _real(path)
        folder = _real_folder(str(rules.folder))
        if real != folder and not real.startswith(folder.rstrip("/") + "/"):
            raise BadRowError(
                "", f"{name} is a link out of the data file's folder; copy the image into the folder", reason=OUTSIDE
            )
        with open_plain(Path(real)) as file:
            size = os.fstat(file.fileno()).st_size
            if size > rules.max_bytes:
                raise BadRowError("", f"{name} {_too_large(size, rules)}", reason=TOO_LARGE)
            return file.read(rules.max_bytes)
    except FileNotFoundError:
        raise BadRowError("", f"{name} does not exist; put the file there or mend the path", reason=MISSING) from None
    except NotAFileError:
        kind = "a folder" if path.is_dir() else "not a file"
        raise BadRowError("", f"{name} is {kind}; name an image file", reason=MISSING) from None
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
        raise BadRowError(
            "", f"{name} cannot be read ({error}); check the file and its permissions", reason=MISSING
        ) from None


def _real(path: Path) -> str:
    """Where `path` leads, links followed."""
    if path.is_symlink():
        return str(path.resolve(strict=True))
    return f"{_real_folder(str(path.parent))}/{path.name}"


@lru_cache(KNOWN_FOLDERS)
def _real_folder(folder: str) -> str:
    """Where `folder` leads. Remembered, since following takes a call for each part of each picture's path."""
    return os.path.realpath(folder, strict=True)


def open_rgb(data: bytes, name: str) -> Image.Image:
    """Decode `data` to an upright RGB image. Raises `BadRowError`, with `name` in it, when any of it is missing."""
    if not data:
        raise BadRowError("", f"{name} is empty; write the image again", reason=BROKEN)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_header(image, name)
            with _one_large if image.width * image.height > LARGE_PIXELS else nullcontext():
                image.load()
                return _upright_rgb(image, name)
    except BadRowError:
        raise
    except Image.DecompressionBombError:  # twice Pillow's own bound, found while the header is read
        raise BadRowError(
            "", f"{name} has too many pixels; the most is {MAX_PIXELS:,}: make it smaller", reason=BOMB
        ) from None
    except UnidentifiedImageError:
        raise BadRowError(
            "", f"{name} is not an image of a known format; use one of {', '.join(FORMATS)}", reason=UNKNOWN
        ) from None
    except Exception as error:  # Pillow's decoders raise nearly everything on hostile input
        raise BadRowError(
            "", f"{name} is truncated or broken ({error}); write the image again", reason=BROKEN
        ) from None


def _check_header(image: Image.Image, name: str) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise BadRowError(
            "",
            f"{name} has {width} x {height} pixels; the most is {MAX_PIXELS:,}: make it smaller",
            reason=BOMB,
        )
    # A telephone's JPEG (MPO) holds the photo first, then a preview or a depth map.
    if image.format != "MPO" and getattr(image, "is_animated", False):
        raise BadRowError("", f"{name} has several frames; save the one frame that is meant", reason=ANIMATED)


def _upright_rgb(image: Image.Image, name: str) -> Image.Image:
    """Turn by EXIF, lay transparency over white, bring 16 bits to 8."""
    upright = ImageOps.exif_transpose(image)
    if upright.mode in WIDE_INTEGER_MODES:
        return _eight_bits(upright.convert("I"), name).convert("RGB")
    if upright.mode in UNREAD_MODES:
        raise BadRowError(
            "", f"{name} is {UNREAD_MODES[upright.mode]}; save it as RGB with 8 bits a channel", reason=UNKNOWN
        )
    if upright.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in upright.info:
        layer = upright.convert("RGBA")
        paper = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(paper, layer).convert("RGB")
    return upright.convert("RGB")


def _eight_bits(image: Image.Image, name: str) -> Image.Image:
    darkest, brightest = image.getextrema()
    if darkest < 0 or brightest > MAX_16_BITS:  # type: ignore[operator]
        raise BadRowError(
            "", f"{name} has grey values from {darkest} to {brightest}; save it with 8 or 16 bits", reason=UNKNOWN
        )
    return image.point(lambda value: value * (1 / 257), "L")


def picture_name(picture: Picture, rules: ImageRules) -> str:
    """How errors call the picture."""
    if picture.name:
        return picture.name
    return _name(picture.source, rules) if isinstance(picture.source, Path) else "the image in the row"


def _name(path: Path, rules: ImageRules) -> str:
    return f"image {str(path).removeprefix(str(rules.folder)).lstrip('/') or '.'!r}"


def _too_large(size: int, rules: ImageRules) -> str:
    return f"has {size:,} bytes; spec.dataset's image.maxBytes allows {rules.max_bytes:,}: make it smaller or raise it"
