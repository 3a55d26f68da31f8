"""Kubernetes quantities ("500m", "64Gi"), as far as resourceFieldRef and capacities need them."""

from decimal import ROUND_CEILING, Decimal

_SUFFIXES = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    "k": Decimal(10) ** 3,
    "M": Decimal(10) ** 6,
    "G": Decimal(10) ** 9,
    "T": Decimal(10) ** 12,
    "P": Decimal(10) ** 15,
    "Ki": Decimal(2) ** 10,
    "Mi": Decimal(2) ** 20,
    "Gi": Decimal(2) ** 30,
    "Ti": Decimal(2) ** 40,
    "Pi": Decimal(2) ** 50,
}


def parse_quantity(text: str) -> Decimal:
    """The number that a quantity stands for."""
    number = text.rstrip("numkKMGTPi")
    return Decimal(number) * _SUFFIXES[text[len(number) :]]


def in_units_of(text: str, divisor: str) -> str:
    """The quantity divided by the divisor and rounded up, as resourceFieldRef gives it."""
    unit = parse_quantity(divisor)
    units = parse_quantity(text) / (unit if unit else 1)
    return str(units.to_integral_value(rounding=ROUND_CEILING))
