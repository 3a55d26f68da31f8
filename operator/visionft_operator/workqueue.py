"""Keys to reconcile: each at most once in the queue, never twice at the same time, failures with growing delays."""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Awaitable, Callable

from visionft_operator.ingest.ports import ResourceKey
from visionft_operator.logs import about

FIRST_RETRY_SECONDS = 1.0
LAST_RETRY_SECONDS = 60.0

Reconcile = Callable[[ResourceKey], Awaitable[float | None]]
"""Brings one resource up to date. Returns after how many seconds it wants to be called again, None: not by itself."""

logger = logging.getLogger(__name__)


class WorkQueue:
    """Wake-ups in, calls of `reconcile` out. A key woken while it is being worked on is worked on once more after."""

    def __init__(self, reconcile: Reconcile, workers: int = 8) -> None:
        self._reconcile = reconcile
        self._workers = workers
        self._ready: asyncio.Queue[ResourceKey] = asyncio.Queue()
        self._waiting: set[ResourceKey] = set()
        self._working: set[ResourceKey] = set()
        self._again: set[ResourceKey] = set()
        self._failures: dict[ResourceKey, int] = {}
        self._timers: list[tuple[float, ResourceKey]] = []
        self._due: dict[ResourceKey, float] = {}
        self._timer_changed = asyncio.Event()

    def wake(self, key: ResourceKey) -> None:
        """Reconcile the key as soon as a worker is free."""
        if key in self._working:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._ready.put_nowait(key)

    def wake_after(self, key: ResourceKey, seconds: float) -> None:
        """Reconcile the key in `seconds`, or earlier when an earlier wake-up is already set."""
        due = asyncio.get_running_loop().time() + max(seconds, 0.0)
        if key in self._due and self._due[key] <= due:
            return
        self._due[key] = due
        heapq.heappush(self._timers, (due, key))
        self._timer_changed.set()

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._run_timers())
            for _ in range(self._workers):
                group.create_task(self._run_worker())

    async def _run_timers(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._timer_changed.clear()
            while self._timers and self._timers[0][0] <= loop.time():
                due, key = heapq.heappop(self._timers)
                if self._due.get(key) == due:  # else it was replaced by an earlier one that has fired
                    del self._due[key]
                    self.wake(key)
            delay = self._timers[0][0] - loop.time() if self._timers else None
            try:
                await asyncio.wait_for(self._timer_changed.wait(), delay)
            except TimeoutError:
                continue

    async def _run_worker(self) -> None:
        while True:
            key = await self._ready.get()
            self._waiting.discard(key)
            self._working.add(key)
            with about(*key):
                await self._attempt(key)
            self._working.discard(key)
            if key in self._again:
                self._again.discard(key)
                self.wake(key)

    async def _attempt(self, key: ResourceKey) -> None:
        try:
            again = await self._reconcile(key)
        except Exception as error:
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            delay = min(FIRST_RETRY_SECONDS * 2.0 ** (failures - 1), LAST_RETRY_SECONDS)
            # The traceback once is enough; later attempts usually fail for the same reason.
            logger.warning(
                "reconcile failed %d times, next attempt in %g s: %r", failures, delay, error, exc_info=failures == 1
            )
            self.wake_after(key, delay)
        else:
            self._failures.pop(key, None)
            if again is not None:
                self.wake_after(key, again)
