"""Numbers and texts as the page and the card write them."""

from __future__ import annotations

import unicodedata
from datetime import datetime

from visionft_api.quantities import format_size
from visionft_api.status import Stage

from visionft_trainer.evaluation.judgement import Figure

DIGITS = 4
MINUS = "\u2212"  # as wide as a plus
NOTHING = "\u2013"  # stands where there is no figure
CONTROL_PICTURES = 0x2400  # U+2400 is the picture of U+0000, and so on
DELETE, DELETE_PICTURE = 0x7F, "␡"
SHOWN_AS_THEY_ARE = "\n\t"
MINUTE, HOUR = 60, 3600

STAGE_TITLES = {
    Stage.INGEST: "Reading rows and pictures",
    Stage.PREPROCESS: "Preparing rows",
    Stage.LOAD: "Loading the model",
    Stage.BASELINE: "Measuring the base model",
    Stage.ADAPT: "Adding what is trained",
    Stage.TRAIN: "Training",
    Stage.EVALUATE: "Measuring the tuned model",
    Stage.EXPORT: "Writing artifacts",
    Stage.REPORT: "Writing the report",
}


def number(value: float | None, digits: int = DIGITS) -> str:
    """`0.0287`; a dash where there is none."""
    return NOTHING if value is None else f"{value:.{digits}f}".replace("-", MINUS)


def signed(value: float | None, digits: int = DIGITS) -> str:
    """`+0.0287`."""
    return NOTHING if value is None else f"{value:+.{digits}f}".replace("-", MINUS)


def interval(figure: Figure, digits: int = DIGITS) -> str:
    """`0.0210 to 0.0365`."""
    return f"{number(figure.low, digits)} to {number(figure.high, digits)}"


def count(value: float | None) -> str:
    """`12,345`; fractions with two decimals."""
    if value is None:
        return NOTHING
    whole = value == int(value) or abs(value) >= 100
    return (f"{value:,.0f}" if whole else f"{value:,.2f}").replace("-", MINUS)


def counted(value: int, thing: str) -> str:
    """`1 row`, `12,345 rows`."""
    return f"{count(value)} {thing}{'' if value == 1 else 's'}"


def small(value: float | None) -> str:
    """Four significant digits, as learning rates and losses want them: `0.004`, `2.5e-05`."""
    return NOTHING if value is None else f"{value:.4g}".replace("-", MINUS)


def duration(seconds: float | None) -> str:
    """`1 h 12 min`, `2 min 5 s`, `0.4 s`."""
    if seconds is None:
        return NOTHING
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    if seconds < HOUR:
        return f"{int(seconds // MINUTE)} min {int(seconds % MINUTE)} s"
    return f"{int(seconds // HOUR):,} h {int(seconds % HOUR // MINUTE)} min"


def moment(time: datetime | None) -> str:
    """`2026-11-21 14:30 UTC`."""
    return NOTHING if time is None else f"{time:%Y-%m-%d %H:%M} UTC"


def size(octets: int | None) -> str:
    """`1.5 GiB`."""
    if octets is None:
        return NOTHING
    text = format_size(octets)
    digits = text.rstrip("KMGTi")
    unit = text[len(digits) :]
    return f"{digits} {unit}B" if unit else f"{digits} bytes"


def visible(text: str) -> str:
    """`text` with a picture in place of each character that nobody would see, or that would turn others around."""
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    code = ord(character)
    if character in SHOWN_AS_THEY_ARE:
        return character
    if code == DELETE:
        return DELETE_PICTURE
    if code < 0x20:
        return chr(CONTROL_PICTURES + code)
    category = unicodedata.category(character)
    if category in ("Cc", "Cs") or character in BIDI_CONTROLS:
        return f"[U+{code:04X}]"
    return character


BIDI_CONTROLS = frozenset(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))))
"""Embeddings, overrides and isolates: they would move what follows them. Marks (U+200E, U+200F) do not."""
