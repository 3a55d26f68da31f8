"""Lines of a JSONL file that programs, editors and people get wrong, and paths that lead astray."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hostile.pictures import encode, quartered

GOOD = "good.png"
SIZE = (40, 60)


@dataclass(frozen=True)
class Line:
    """One line, and what reading it must give: an error with certain words, or a row with this answer."""

    kind: str
    data: bytes
    error: str = ""
    answer: str = "yes"


def write_places(folder: Path) -> None:
    """Files, folders, links and devices that the paths of `path_lines` lead to."""
    picture = encode(quartered(SIZE), "PNG")
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / GOOD).write_bytes(picture)
    for place in (folder, folder / "sub", folder / "sub" / "übung ☃"):
        place.mkdir(exist_ok=True)
        (place / GOOD).write_bytes(picture)
    for wrong in ("page.jpg", "page.txt", "page", "page.gif"):  # what is inside counts
        (folder / wrong).write_bytes(picture)
    links = {
        "inner.png": GOOD,
        "inner-folder": "sub",
        "out.png": outside / GOOD,
        "out-folder": outside,
        "loop.png": "loop.png",
        "loop-folder": "loop-folder",
        "dead.png": "nowhere.png",
        "device.png": "/dev/zero",
        "endless.png": "/dev/stdin",
        "root": "/",
        "process": "/proc/self/environ",
        "up.png": "../outside/good.png",
    }
    for name, target in links.items():
        (folder / name).symlink_to(target)
    os.mkfifo(folder / "pipe.png")


GOOD_PATHS = (
    GOOD, f"./{GOOD}", f"sub//{GOOD}", f"sub/./{GOOD}", f"sub/übung ☃/{GOOD}", "inner.png", f"inner-folder/{GOOD}",
    "page.jpg", "page.txt", "page", "page.gif", f"{GOOD}/",
)  # fmt: skip
BAD_PATHS = {
    f"../outside/{GOOD}": "leaves the data file's folder",
    "sub/../../outside/good.png": "leaves the data file's folder",
    "..": "leaves the data file's folder",
    "/etc/passwd": "an absolute path",
    "//etc/passwd": "an absolute path",
    "out.png": "is a link out of the data file's folder",
    "up.png": "is a link out of the data file's folder",
    f"out-folder/{GOOD}": "is a link out of the data file's folder",
    "device.png": "is a link out of the data file's folder",
    "endless.png": "is a link out of the data file's folder",
    "root/etc/passwd": "is a link out of the data file's folder",
    "process": "is a link out of the data file's folder",
    "loop.png": "cannot be read",
    f"loop-folder/{GOOD}": "cannot be read",
    "dead.png": "does not exist",
    "nowhere/at/all.png": "does not exist",
    "GOOD.PNG": "does not exist",
    "sub\\good.png": "does not exist",
    "good%2Epng": "does not exist",
    "~/good.png": "does not exist",
    "$HOME/good.png": "does not exist",
    " good.png": "does not exist",
    "good.png\n": "does not exist",
    "good.png/good.png": "cannot be read",
    "sub": "is a folder",
    ".": "is a folder",
    "pipe.png": "is not a file",
    "good.png\0": "NUL character",
    "\ud83d.png": "half of a surrogate pair",
    "a" * 300: "File name too long",
    "a/" * 3000 + "b": "characters that are no path",
    "file:///etc/passwd": "images are not fetched",
    "http://127.0.0.1/good.png": "images are not fetched",
    "C:\\good.png": "images are not fetched",
    "data:image/png;base64,": "is empty",
    "data:image/png;base64,AAAA": "is not an image",
    "data:image/png;base64,%%%": "base64 is broken",
    "data:image/png,abc": "write a data URI as",
    "data:text/html;base64,AAAA": "write a data URI as",
    "": "an empty string",
}


def chat(url: object = GOOD, answer: object = "yes") -> dict[str, object]:
    """A row in the chat form."""
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "Well?"}]
    return {"messages": [{"role": "user", "content": content}, {"role": "assistant", "content": answer}]}


def path_lines(count: int, seed: int) -> list[Line]:
    """Lines that name pictures by every path, in any order."""
    every = [(path, "") for path in GOOD_PATHS] + list(BAD_PATHS.items())
    order = np.random.default_rng(seed).permutation(count) % len(every)
    return [
        Line(f"path {every[n][0][:20]!r}", json.dumps(chat(every[n][0])).encode(), error=every[n][1]) for n in order
    ]


def _swapped(text: str) -> Callable[[np.random.Generator], bytes]:
    """A sound line with `"yes"` replaced."""
    return lambda _: json.dumps(chat()).replace('"yes"', text).encode()


def _nested(random: np.random.Generator) -> bytes:
    depth = int(random.integers(2_000, 200_000))
    return b'{"messages": ' + b"[" * depth + b"]" * depth + b"}"


def _flooded(random: np.random.Generator) -> bytes:
    """A sound row among many keys that nobody asked for."""
    return json.dumps({**{f"key {n}": n for n in range(int(random.integers(1000, 20_000)))}, **chat()}).encode()


def _long(random: np.random.Generator) -> bytes:
    return json.dumps({**chat(), "note": "x" * int(random.integers(10**5, 10**6))}).encode()


def _cut(random: np.random.Generator) -> bytes:
    line = json.dumps(chat()).encode()
    return line[: int(random.integers(1, len(line) - 1))]


def _not_utf8(random: np.random.Generator) -> bytes:
    line = json.dumps(chat()).encode()
    place = line.index(b"yes")
    return (
        line[:place] + random.choice([b"\xff", b"\xe9t\xe9", b"\xc0\xaf", b"\xed\xa0\xbd", b"\xf5\x80"]) + line[place:]
    )


def _utf16(random: np.random.Generator) -> bytes:
    return json.dumps(chat()).encode("utf-16-be").replace(b"\n", b"")


KINDS: tuple[tuple[str, Callable[[np.random.Generator], bytes], str, str], ...] = (
    ("sound", lambda _: json.dumps(chat()).encode(), "", "yes"),
    ("carriage return", lambda _: json.dumps(chat()).encode() + b"\r", "", "yes"),
    ("spaces around", lambda _: b"\t  " + json.dumps(chat()).encode() + b"  \t", "", "yes"),
    ("both halves", _swapped('"\\ud83d\\ude00"'), "", "\N{GRINNING FACE}"),
    ("escaped control characters", _swapped('"a\\u0000\\u001b[31mb\\u202e"'), "", "a\0\x1b[31mb\u202e"),
    ("other line ends inside", _swapped('"a\u2028b\x85c"'), "", "a\u2028b\x85c"),
    ("many keys", _flooded, "", "yes"),
    ("much text", _long, "", "yes"),
    ("half a pair", _swapped('"\\ud83d"'), "half of a surrogate pair", ""),
    ("control character", _swapped('"a\x01b"'), "is not JSON", ""),
    ("not a number", lambda _: b'{"messages": NaN}', "holds NaN", ""),
    ("infinity", _swapped("-Infinity"), "holds -Infinity", ""),
    ("huge integer", lambda r: b'{"id": ' + b"9" * int(r.integers(4301, 10**6)) + b"}", "integer of more than", ""),
    ("huge power", _swapped("1e999999"), "is a number", ""),
    ("nesting", _nested, "is nested too deeply", ""),
    ("cut off", _cut, "is not JSON", ""),
    ("not UTF-8", _not_utf8, "is not UTF-8", ""),
    ("UTF-16", _utf16, "is not", ""),
    ("two objects", lambda _: json.dumps(chat()).encode() * 2, "is not JSON", ""),
    ("trailing comma", lambda _: json.dumps(chat())[:-1].encode() + b",}", "is not JSON", ""),
    ("single quotes", lambda _: repr(chat()).encode(), "is not JSON", ""),
    ("a comment", lambda _: b"// rows\t" + json.dumps(chat()).encode(), "is not JSON", ""),
    ("null", lambda _: b"null", "the row is missing", ""),
    ("a list", lambda _: b"[]", "the row is", ""),
    ("a string", lambda _: b'"row"', "the row is", ""),
    ("true", lambda _: b"true", "the row is", ""),
    ("binary", lambda r: bytes(int(b) for b in r.integers(128, 192, 200)), "is not UTF-8", ""),
    ("NUL bytes", lambda _: b"\0" * 100, "is not JSON", ""),
)


def json_lines(count: int, seed: int) -> list[Line]:
    """Lines of every kind in their turn."""
    random = np.random.default_rng(seed)
    chosen = (KINDS[number % len(KINDS)] for number in range(count))
    return [Line(kind, make(random), error, answer) for kind, make, error, answer in chosen]


def box_lines(count: int, seed: int) -> list[Line]:
    """Rows of the grounding form, with boxes that are none."""
    random = np.random.default_rng(seed)
    lines = []
    for number in range(count):
        bad = (
            "[NaN, 0, 1, 1]", "[1e400, 0, 1, 1]", "[0, 0, 0]", '["a", 0, 1, 1]', "[null, 0, 1, 1]", "[0.8, 0, 0.2, 1]",
            "[0, 0, 1, 99999]", "{}", "true", '"0 0 1 1"', "[[0, 0, 1, 1]]", "[-5, -5, 0.5, 0.5]",
            "[0.1, 0.1, 0.5, 0.5]",
        )[number % 13]  # fmt: skip
        sound = bad == "[0.1, 0.1, 0.5, 0.5]"
        body = (
            f'{{"image": "{GOOD}", "prompt": "Where?", "boxes": [{{"label": "x{random.integers(99)}", "box": {bad}}}]}}'
        )
        lines.append(Line(f"box {bad}", body.encode(), "" if sound else "*", ""))
    return lines
