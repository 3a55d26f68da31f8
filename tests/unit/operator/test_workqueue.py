"""One resource at a time, none forgotten, failures with growing delays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from visionft_operator import workqueue
from visionft_operator.ingest.ports import ResourceKey
from visionft_operator.workqueue import WorkQueue

A, B = ResourceKey("team", "a"), ResourceKey("team", "b")


@asynccontextmanager
async def working(reconcile: Callable[[ResourceKey], Awaitable[float | None]]) -> AsyncIterator[WorkQueue]:
    """A queue at work."""
    queue = WorkQueue(reconcile, workers=3)
    task = asyncio.create_task(queue.run())
    try:
        yield queue
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_key_is_never_worked_on_twice_at_once_and_never_forgotten() -> None:
    active: set[ResourceKey] = set()
    calls: list[ResourceKey] = []

    async def reconcile(key: ResourceKey) -> None:
        assert key not in active
        active.add(key)
        await asyncio.sleep(0.01)
        active.remove(key)
        calls.append(key)

    async with working(reconcile) as queue:
        queue.wake(A)
        queue.wake(A)
        queue.wake(B)
        await asyncio.sleep(0.005)
        queue.wake(A)
        queue.wake(A)
        await asyncio.sleep(0.05)
    assert calls.count(A) == 2
    assert calls.count(B) == 1


async def test_it_comes_again_when_asked_to_and_at_the_earlier_of_two_times() -> None:
    calls: list[float] = []
    loop = asyncio.get_running_loop()

    async def reconcile(key: ResourceKey) -> None:
        calls.append(loop.time())

    async with working(reconcile) as queue:
        begin = loop.time()
        queue.wake_after(A, 30)
        queue.wake_after(A, 0.02)
        queue.wake_after(A, 60)
        await asyncio.sleep(0.1)
    assert len(calls) == 1
    assert calls[0] - begin >= 0.02


async def test_a_wake_up_that_is_asked_for_while_working_is_kept() -> None:
    calls = 0

    async def reconcile(key: ResourceKey) -> float | None:
        nonlocal calls
        calls += 1
        return 0.01 if calls == 1 else None

    async with working(reconcile) as queue:
        queue.wake(A)
        await asyncio.sleep(0.1)
    assert calls == 2


async def test_failures_are_tried_again_later_and_later_and_hold_up_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(workqueue, "FIRST_RETRY_SECONDS", 0.01)
    seen: list[ResourceKey] = []

    async def reconcile(key: ResourceKey) -> None:
        seen.append(key)
        if key == A and seen.count(A) < 3:
            raise ValueError("not yet")

    async with working(reconcile) as queue:
        queue.wake(A)
        queue.wake(B)
        await asyncio.sleep(0.2)
    assert seen.count(A) == 3
    assert seen.count(B) == 1
    assert [record.exc_info is not None and bool(record.exc_info) for record in caplog.records] == [True, False]
    assert "0.01 s" in caplog.text
    assert "0.02 s" in caplog.text


async def test_again_after_no_time_is_at_once() -> None:
    calls: list[ResourceKey] = []

    async def reconcile(key: ResourceKey) -> float | None:
        calls.append(key)
        return 0.0 if len(calls) < 3 else None

    async with working(reconcile) as queue:
        queue.wake(A)
        await asyncio.sleep(0.05)
    assert calls == [A, A, A]
