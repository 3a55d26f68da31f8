"""Gates: "cer <= 0.05" and "cer < baseline", conditions on a metric of the tuned model."""

import re
from dataclasses import dataclass
from decimal import Decimal

from visionft_api.fields import GATE_PATTERN, WHAT_FITS

BASELINE = "baseline"
"""In place of a number: what the base model reaches on the same rows."""

_FORM = re.compile(r"([A-Za-z0-9]+?) *(<=|<|>=|>) *(\S+)")
_PATTERN = re.compile(GATE_PATTERN)


@dataclass(frozen=True)
class Gate:
    """A condition on one metric.

    `threshold` is None where the gate is against the base model. Such a gate holds when the paired 95 % interval of
    tuned minus baseline lies wholly on the better side; who has that interval decides it.
    """

    metric: str
    operator: str
    threshold: Decimal | None

    @property
    def lower_passes(self) -> bool:
        """Whether smaller values are the ones that pass."""
        return self.operator in ("<", "<=")

    @property
    def against_baseline(self) -> bool:
        """Whether the tuned model is held against the base model instead of a number."""
        return self.threshold is None

    def passes(self, value: float | Decimal) -> bool:
        """Whether a measured value meets the condition.

        Raises:
            ValueError: the gate is against the base model: one value does not decide it, see `beats_baseline`.
        """
        if self.threshold is None:
            raise ValueError(f'"{self}" is decided by an interval')
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

    def beats_baseline(self, low: float, high: float) -> bool:
        """Whether an interval of the difference, tuned minus baseline, lies wholly on the better side."""
        return high < 0 if self.lower_passes else low > 0

    def __str__(self) -> str:
        return f"{self.metric} {self.operator} {BASELINE if self.threshold is None else self.threshold}"


def parse_gate(text: str) -> Gate:
    """Read a gate.

    Raises:
        ValueError: the text is no gate; the message says what would be.
    """
    match = _FORM.fullmatch(text) if _PATTERN.search(text) else None
    if match is None:
        raise ValueError(f'"{text}" is not a gate: write {WHAT_FITS[GATE_PATTERN]}')
    return Gate(match[1], match[2], None if match[3] == BASELINE else Decimal(match[3]))
