"""Waiting times between tries, doubling up to a cap."""

from dataclasses import dataclass, field


@dataclass
class Backoff:
    """`next()` gives first, 2·first, 4·first, … seconds, never more than cap."""

    first: float
    cap: float
    _next: float = field(init=False)

    def __post_init__(self) -> None:
        self._next = self.first

    def next(self) -> float:
        delay = self._next
        self._next = min(self.cap, delay * 2)
        return delay

    def reset(self) -> None:
        self._next = self.first
