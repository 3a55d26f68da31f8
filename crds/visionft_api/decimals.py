"""Decimals for the API. Neither spec nor status holds a float: JSON readers disagree about them, strings they keep."""

import math


def format_decimal(number: float | None, digits: int = 4) -> str | None:
    """A float as the status keeps it, or None where it has no value (None, NaN, infinite, beyond nine digits).

    `digits` are decimals; a number too small for them keeps as many significant digits in "2.0000e-05" form.
    """
    if number is None or not math.isfinite(number) or abs(number) >= 1e9:
        return None
    text = f"{number:.{digits}f}"
    if number != 0 and abs(number) < 10**-digits:
        text = f"{number:.{digits}e}"
    return text


def short_decimal(number: float) -> str:
    """A figure as a sentence has it: two decimals, or two digits where these would hide what there is."""
    return f"{number:.2f}" if number == 0 or abs(number) >= 0.01 else f"{number:.2g}"
