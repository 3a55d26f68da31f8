"""The token cache: how often the API server is asked, and for how long an answer is believed."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from visionft_operator.ingest.ports import AuthenticationUnavailableError, Identity, UnauthenticatedError
from visionft_operator.ingest.token_cache import CachedAuthenticator

START = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Inner:
    """Answers what it is told to and counts how often it was asked."""

    def __init__(self, answer: Identity | Exception) -> None:
        self.answer = answer
        self.asked = 0
        self.gate: asyncio.Event | None = None

    async def authenticate(self, token: str) -> Identity:
        self.asked += 1
        if self.gate:
            await self.gate.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def identity(expires: datetime | None = None) -> Identity:
    return Identity("system:serviceaccount:ns:default", "ns", "pod", "pod-uid", expires)


async def test_a_good_token_is_asked_about_once_a_minute():
    clock, inner = Clock(), Inner(identity())
    cached = CachedAuthenticator(inner, clock, accepted_seconds=60)
    for _ in range(12):
        assert await cached.authenticate("token") == identity()
        clock.forward(4.9)
    assert inner.asked == 1
    clock.forward(5)
    await cached.authenticate("token")
    assert inner.asked == 2


async def test_another_token_is_another_question():
    inner = Inner(identity())
    cached = CachedAuthenticator(inner, Clock())
    await cached.authenticate("one")
    await cached.authenticate("two")
    assert inner.asked == 2


async def test_a_token_is_not_believed_beyond_its_expiry():
    clock, inner = Clock(), Inner(identity(START + timedelta(seconds=20)))
    cached = CachedAuthenticator(inner, clock, accepted_seconds=60)
    await cached.authenticate("token")
    clock.forward(21)
    inner.answer = UnauthenticatedError("expired")
    with pytest.raises(UnauthenticatedError, match="expired"):
        await cached.authenticate("token")


async def test_a_refused_token_is_remembered_briefly():
    clock, inner = Clock(), Inner(UnauthenticatedError("unknown: mend it"))
    cached = CachedAuthenticator(inner, clock, refused_seconds=10)
    for _ in range(3):
        with pytest.raises(UnauthenticatedError, match="unknown: mend it"):
            await cached.authenticate("token")
    assert inner.asked == 1
    clock.forward(10)
    inner.answer = identity()
    assert await cached.authenticate("token") == identity()


async def test_that_nobody_could_be_asked_is_not_remembered():
    inner = Inner(AuthenticationUnavailableError("later"))
    cached = CachedAuthenticator(inner, Clock())
    with pytest.raises(AuthenticationUnavailableError):
        await cached.authenticate("token")
    inner.answer = identity()
    assert await cached.authenticate("token") == identity()


async def test_requests_that_come_together_share_one_question():
    inner = Inner(identity())
    inner.gate = asyncio.Event()
    cached = CachedAuthenticator(inner, Clock())
    waiting = [asyncio.create_task(cached.authenticate("token")) for _ in range(5)]
    await asyncio.sleep(0)
    # The first asker goes away; the others still get their answer.
    waiting[0].cancel()
    await asyncio.sleep(0)
    inner.gate.set()
    assert await asyncio.gather(*waiting[1:]) == [identity()] * 4
    assert inner.asked == 1


async def test_memory_is_bounded_and_holds_no_token():
    cached = CachedAuthenticator(Inner(identity()), Clock(), size=3)
    for number in range(10):
        await cached.authenticate(f"secret-{number}")
    assert len(cached) == 3
    assert "secret-" not in repr(vars(cached))
