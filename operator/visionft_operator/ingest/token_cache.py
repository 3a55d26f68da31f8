"""Remembers what was found out about a token, for a short time and a bounded number of tokens.

Tokens are kept as their SHA-256 only: whoever reads the operator's memory finds none to use.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from visionft_operator.ingest.limits import ACCEPTED_TOKEN_SECONDS, CACHED_TOKENS, REFUSED_TOKEN_SECONDS
from visionft_operator.ingest.ports import Authenticator, Clock, Identity, UnauthenticatedError


@dataclass(frozen=True)
class _Found:
    """The identity, or the sentence that refuses; believed until `until`."""

    outcome: Identity | str
    until: datetime


class CachedAuthenticator:
    """An `Authenticator` that asks another one, once for all requests that come with the same token meanwhile.

    That nobody could be asked is not remembered.
    """

    def __init__(
        self,
        inner: Authenticator,
        clock: Clock,
        accepted_seconds: float = ACCEPTED_TOKEN_SECONDS,
        refused_seconds: float = REFUSED_TOKEN_SECONDS,
        size: int = CACHED_TOKENS,
    ) -> None:
        self._inner = inner
        self._clock = clock
        self._accepted = timedelta(seconds=accepted_seconds)
        self._refused = timedelta(seconds=refused_seconds)
        self._size = size
        self._found: OrderedDict[bytes, _Found] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[Identity | str]] = {}

    def __len__(self) -> int:
        return len(self._found)

    async def authenticate(self, token: str) -> Identity:
        """See `ports.Authenticator`."""
        digest = hashlib.sha256(token.encode()).digest()
        found = self._found.get(digest)
        if found is not None and self._clock() < found.until:
            outcome = found.outcome
        else:
            outcome = await asyncio.shield(self._ask(digest, token))
        if isinstance(outcome, str):
            raise UnauthenticatedError(outcome)
        return outcome

    def _ask(self, digest: bytes, token: str) -> asyncio.Task[Identity | str]:
        task = self._asking.get(digest)
        if task is None:
            task = self._asking[digest] = asyncio.create_task(self._find_out(digest, token))
            task.add_done_callback(lambda done: self._finish(digest, done))
        return task

    def _finish(self, digest: bytes, task: asyncio.Task[Identity | str]) -> None:
        self._asking.pop(digest, None)
        if not task.cancelled():
            task.exception()  # Mark it as seen: whoever waited may have gone.

    async def _find_out(self, digest: bytes, token: str) -> Identity | str:
        outcome: Identity | str
        try:
            outcome = await self._inner.authenticate(token)
            until = self._clock() + self._accepted
            if outcome.expires is not None:
                until = min(until, outcome.expires)
        except UnauthenticatedError as error:
            outcome, until = str(error), self._clock() + self._refused
        self._found[digest] = _Found(outcome, until)
        self._found.move_to_end(digest)
        if len(self._found) > self._size:
            self._found.popitem(last=False)
        return outcome
