"""Quantities of the API: sizes in bytes ("512Mi", "16Gi") and CPUs ("4", "500m")."""

import re
from decimal import Decimal

from visionft_api.fields import CPU_PATTERN, SIZE_PATTERN, WHAT_FITS

_UNITS = {
    "": 1,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}
_SIZE = re.compile(SIZE_PATTERN)
_CPU = re.compile(CPU_PATTERN)


def parse_size(text: str) -> int:
    """Bytes of a size, a fraction of a byte rounded up as Kubernetes does.

    Raises:
        ValueError: the text is no size; the message says what would be.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f'"{text}" is not {WHAT_FITS[SIZE_PATTERN]}')
    unit = match[2] or ""
    number = Decimal(text.removesuffix(unit)) * _UNITS[unit]
    return int(number.to_integral_value(rounding="ROUND_CEILING"))


def format_size(size: int) -> str:
    """A size for people, in the largest binary unit that leaves at most one decimal: "1.5Gi", "20Mi", "512"."""
    for unit in ("Ti", "Gi", "Mi", "Ki"):
        if size >= _UNITS[unit]:
            return f"{size / _UNITS[unit]:.1f}".removesuffix(".0") + unit
    return str(size)


def parse_cpu(text: str) -> Decimal:
    """CPUs, thousandths included ("500m" is 0.5).

    Raises:
        ValueError: the text is no number of CPUs; the message says what would be.
    """
    if _CPU.fullmatch(text) is None:
        raise ValueError(f'"{text}" is not {WHAT_FITS[CPU_PATTERN]}')
    return Decimal(text[:-1]) / 1000 if text.endswith("m") else Decimal(text)
