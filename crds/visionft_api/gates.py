"""Gates: "cer <= 0.05", a condition on a metric of the tuned model."""

import re
from dataclasses import dataclass
from decimal import Decimal

from visionft_api.fields import GATE_PATTERN, WHAT_FITS

LOWER_IS_BETTER = frozenset({"cer", "wer"})

_FORM = re.compile(r"(cer|wer|exactMatch) *(<=|<|>=|>) *([0-9]{1,3}(?:\.[0-9]{1,9})?(?:[eE]-[0-9]{1,2})?)")


@dataclass(frozen=True)
class Gate:
    """A condition on one metric."""

    metric: str
    operator: str
    threshold: Decimal

    @property
    def lower_passes(self) -> bool:
        """Whether smaller values are the ones that pass."""
        return self.operator in ("<", "<=")

    def passes(self, value: float | Decimal) -> bool:
        """Whether a measured value meets the condition."""
        number = Decimal(str(value))
        match self.operator:
            case "<":
                return number < self.threshold
            case "<=":
                return number <= self.threshold
            case ">":
                return number > self.threshold
            case _:
                return number >= self.threshold

    def __str__(self) -> str:
        return f"{self.metric} {self.operator} {self.threshold}"


def parse_gate(text: str) -> Gate:
    """Read a gate.

    Raises:
        ValueError: the text is no gate; the message says what would be.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(f'"{text}" is not a gate: write {WHAT_FITS[GATE_PATTERN]}')
    return Gate(match[1], match[2], Decimal(match[3]))
