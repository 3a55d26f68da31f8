"""Rows that were left out: counted by reason, the first of them named."""

from __future__ import annotations

from dataclasses import dataclass, field

from visionft_trainer.data.rows import Where

SPELT_OUT_ROWS = 5  # in an error; the rest are counted
NAMED_ROWS = 100  # kept with file, row and reason; the rest are counted
MAX_REASONS = 16  # kinds told apart, as many as the API reports
OTHER = "other reasons"
KIND_CHARACTERS = 64  # as the API allows; a field's name can be a user's


@dataclass(frozen=True)
class Dropped:
    """A row that was left out."""

    where: Where
    reason: str
    """In full, with the mend."""


@dataclass
class DroppedRows:
    """All rows of a split that were left out at one stage."""

    named: list[Dropped] = field(default_factory=list)
    """The first of them."""
    by_reason: dict[str, int] = field(default_factory=dict)
    """How many there are of each kind."""

    def add(self, dropped: Dropped, kind: str) -> None:
        """Count a row under `kind`, a few words."""
        kind = kind[:KIND_CHARACTERS]
        known = kind if kind in self.by_reason or len(self.by_reason) < MAX_REASONS - 1 else OTHER
        self.by_reason[known] = self.by_reason.get(known, 0) + 1
        if len(self.named) < NAMED_ROWS:
            self.named.append(dropped)

    @property
    def total(self) -> int:
        """How many rows were left out."""
        return sum(self.by_reason.values())


def refusal(name: str, title: str, dropped: DroppedRows, good: int) -> str:
    """What an error says of the split `name`, called `title`, with `good` sound rows beside those left out."""
    named = "; ".join(bad.reason for bad in dropped.named[:SPELT_OUT_ROWS])
    more = f"; and {dropped.total - SPELT_OUT_ROWS} more" if dropped.total > SPELT_OUT_ROWS else ""
    rows = "1 row" if dropped.total == 1 else f"{dropped.total} rows"
    return f"{name} data {title}: {rows} of {good + dropped.total} cannot be used: {named}{more}."
