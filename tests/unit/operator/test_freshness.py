"""Liveness: a watch that has gone deaf is noticed and what it missed is repaired."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from visionft_operator import freshness
from visionft_operator.cache import Cache
from visionft_operator.freshness import Freshness, Resync
from visionft_operator.health import HealthHandlers
from visionft_operator.ingest.ports import ResourceKey
from visionft_operator.kube import VISION_FINE_TUNES, ApiError, Listing


def resource(version: int) -> dict[str, Any]:
    """A resource at a version."""
    return {"metadata": {"namespace": "team", "name": "digits", "uid": "1", "resourceVersion": str(version)}}


class FakeKube:
    """Lists what it is told, or fails as it is told."""

    def __init__(self) -> None:
        self.listing = Listing((), 1)
        self.error: Exception | None = None

    async def list(self, *args: Any, **kwargs: Any) -> Listing:
        if self.error is not None:
            raise self.error
        return self.listing


class Clock:
    """Seconds that pass when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> tuple[FakeKube, Cache, Freshness, Clock, list[ResourceKey], Resync]:
    monkeypatch.setattr(freshness, "CATCH_UP_SECONDS", 0.0)
    kube, cache, clock = FakeKube(), Cache([VISION_FINE_TUNES]), Clock()
    fresh = Freshness([VISION_FINE_TUNES], clock)
    woken: list[ResourceKey] = []
    resync = Resync(kube, cache, fresh, woken.append, "", 0.001)  # type: ignore[arg-type]
    return kube, cache, fresh, clock, woken, resync


async def test_what_was_waited_for_before_the_start_does_not_count(scene: Any) -> None:
    _, _, fresh, clock, _, resync = scene
    clock.now = 300  # the CRD came late
    assert not fresh.report()[0]
    await resync.fill()
    assert fresh.report() == (True, {"watch/visionfinetunes": 0, "resync": 0})


async def test_the_wait_between_the_first_list_and_the_first_round_does_not_count(scene: Any) -> None:
    kube, cache, fresh, clock, _, _ = scene
    resync = Resync(kube, cache, fresh, lambda key: None, "", 30)
    await resync.fill()
    clock.now = 300  # the certificate's Secret came late
    await rounds(resync)
    assert fresh.report() == (True, {"watch/visionfinetunes": 0, "resync": 0})


async def rounds(resync: Resync, clock: Clock | None = None, now: float = 0.0) -> None:
    """Let the loop make a few rounds, after which the clock shows `now`."""
    task = asyncio.create_task(resync.run())
    await asyncio.sleep(0)  # it has begun
    if clock is not None:
        clock.now = now
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.wait([task])


async def test_a_deaf_watch_makes_the_operator_unhealthy_and_its_gaps_are_filled(scene: Any) -> None:
    kube, cache, fresh, clock, woken, resync = scene
    cache[VISION_FINE_TUNES].saw_event("ADDED", resource(1))
    kube.listing = Listing((resource(2),), 2)
    await rounds(resync, clock, 100)
    healthy, ages = fresh.report()
    assert not healthy
    assert ages == {"watch/visionfinetunes": 100, "resync": 0}
    assert cache[VISION_FINE_TUNES].get("team", "digits")["metadata"]["resourceVersion"] == "2"
    assert ResourceKey("team", "digits") in woken

    cache[VISION_FINE_TUNES].saw_event("MODIFIED", resource(2))
    await rounds(resync)
    assert fresh.report()[0]


@pytest.mark.parametrize(
    ("error", "healthy"),
    [
        (aiohttp.ClientConnectionError("refused"), True),
        (TimeoutError(), True),
        (ApiError(503, "ServiceUnavailable", "later"), True),
        (ApiError(401, "Unauthorized", "who"), False),
        (ApiError(403, "Forbidden", "no"), False),
    ],
)
async def test_only_what_a_restart_can_mend_is_unhealthy(scene: Any, error: Exception, healthy: bool) -> None:
    kube, _, fresh, clock, _, resync = scene
    kube.error = error
    await rounds(resync, clock, 100)
    assert fresh.report()[0] is healthy


async def test_a_loop_that_hangs_is_unhealthy(scene: Any) -> None:
    _, _, fresh, clock, _, resync = scene
    await rounds(resync)
    clock.now = 91
    assert fresh.report()[1]["resync"] == 91
    assert not fresh.report()[0]


async def test_healthz_says_which_watch_is_behind() -> None:
    clock = Clock()
    health = HealthHandlers(Freshness([VISION_FINE_TUNES], clock))
    clock.now = 1000
    assert (await health.healthz(None)).status == 200  # type: ignore[arg-type]
    assert (await health.readyz(None)).status == 503  # type: ignore[arg-type]
    health.ready = True
    answer = await health.healthz(None)  # type: ignore[arg-type]
    assert answer.status == 503
    assert "watch/visionfinetunes" in str(answer.text)
    assert (await health.readyz(None)).status == 200  # type: ignore[arg-type]
