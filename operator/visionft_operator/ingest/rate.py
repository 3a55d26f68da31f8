"""Token buckets: how many a resource may send, remembered for a bounded number of resources."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


@dataclass
class _Bucket:
    tokens: float
    filled_at: float


class RateLimiter(Generic[Key]):
    """Allows each key `burst` calls at once and `per_second` in the long run.

    `monotonic` returns seconds. At most `tracked` keys are remembered; a forgotten one starts with a full bucket.
    """

    def __init__(self, per_second: float, burst: float, tracked: int, monotonic: Callable[[], float]) -> None:
        self._per_second = per_second
        self._burst = burst
        self._tracked = tracked
        self._monotonic = monotonic
        self._buckets: OrderedDict[Key, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: Key) -> int:
        """Take one token; return 0 when there was one, else the whole seconds until there will be."""
        now = self._monotonic()
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(self._burst, now)
            if len(self._buckets) > self._tracked:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
            bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.filled_at) * self._per_second)
            bucket.filled_at = now
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return 0
        return max(1, math.ceil((1 - bucket.tokens) / self._per_second))
