"""Is what the operator believes still true? The slow loop that lists everything, repairs, and tells how the watches do.

A watch can go deaf without an error: a connection that a middle box forgot, a client bug. HTTP liveness cannot see
that. So every half minute each kind is listed (from the API server's memory, which is cheap) and compared with what
its watch has delivered. A watch that stays behind makes /healthz fail; what it missed is repaired meanwhile, and every
resource is reconciled once, which is also how deadlines are noticed that no event announces.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

import aiohttp

from visionft_operator.cache import Cache, KindCache, key_of
from visionft_operator.ingest.ports import ResourceKey
from visionft_operator.kube import VISION_FINE_TUNES, ApiError, Kind, Kube, Listing
from visionft_operator.names import LABEL_NAME, MANAGED_SELECTOR

STALE_SECONDS = 90.0
"""How long a watch may be behind before the operator is unhealthy: three rounds of the longest interval."""

CATCH_UP_SECONDS = 2.0
"""What was listed may still be on its way through the watch; only what is missing after this counts."""

logger = logging.getLogger(__name__)


class Freshness:
    """Since when each kind's watch is known to be up to date, and how long the loop itself has been silent."""

    def __init__(self, kinds: Iterable[Kind], clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        now = clock()
        self._fresh = {kind.plural: now for kind in kinds}
        self._alive = now
        self._limit = STALE_SECONDS

    def up_to_date(self, kind: Kind) -> None:
        """The kind's watch has delivered everything, or nobody can tell because the API server does not answer."""
        self._fresh[kind.plural] = self._clock()

    def alive(self) -> None:
        """The loop has made a round."""
        self._alive = self._clock()

    def all_known(self) -> None:
        """Everything has just been listed: the clocks begin again."""
        for plural in self._fresh:
            self._fresh[plural] = self._clock()
        self.alive()

    def report(self) -> tuple[bool, dict[str, float]]:
        """Return whether all is well, and the seconds since each watch, and the loop, was last known to be."""
        now = self._clock()
        ages = {f"watch/{plural}": round(now - since, 1) for plural, since in sorted(self._fresh.items())}
        ages["resync"] = round(now - self._alive, 1)
        return all(age <= self._limit for age in ages.values()), ages


class Resync:
    """The loop."""

    def __init__(
        self,
        kube: Kube,
        cache: Cache,
        freshness: Freshness,
        wake: Callable[[ResourceKey], None],
        namespace: str,
        interval: float,
    ) -> None:
        self._kube = kube
        self._cache = cache
        self._freshness = freshness
        self._wake = wake
        self._namespace = namespace
        self._interval = interval

    async def fill(self) -> None:
        """List everything for the first time. Raises what the API calls raise."""
        for part in self._cache:
            part.repair(await self._list(part, cached=False))
        self._freshness.all_known()

    async def run(self) -> None:
        """Make rounds until cancelled."""
        self._freshness.all_known()  # the certificate may have had to be waited for since `fill`
        while True:
            await asyncio.sleep(self._interval)
            for part in self._cache:
                try:
                    await self._check(part)
                except (aiohttp.ClientError, TimeoutError) as error:
                    # A restart of the operator would not bring the API server back.
                    self._freshness.up_to_date(part.kind)
                    logger.warning(
                        "the API server does not answer, %s could not be listed: %r", part.kind.plural, error
                    )
                except ApiError as error:
                    if error.status >= 500 or error.status == 429:
                        self._freshness.up_to_date(part.kind)
                    logger.warning("%s could not be listed: %s", part.kind.plural, error)
            self._freshness.alive()
            self.wake_all()

    async def _check(self, part: KindCache) -> None:
        listing = await self._list(part, cached=True)
        missed = part.missed_by_watch(listing)
        if missed:
            await asyncio.sleep(CATCH_UP_SECONDS)
            missed = part.missed_by_watch(listing)
        if not missed:
            self._freshness.up_to_date(part.kind)
            return
        changed = part.repair(listing)
        logger.warning(
            "the watch of %s is behind: %d objects missed, %d repaired, for example %s",
            part.kind.plural,
            len(missed),
            len(changed),
            "/".join(min(missed)),
        )

    async def _list(self, part: KindCache, *, cached: bool) -> Listing:
        query = {} if part.kind.api_version.startswith("visionft.dev/") else {"labelSelector": MANAGED_SELECTOR}
        return await self._kube.list(part.kind, self._namespace, cached=cached, **query)

    def wake_all(self) -> None:
        """Reconcile every resource once."""
        for body in self._cache[VISION_FINE_TUNES]:
            self._wake(ResourceKey(*key_of(body)))


def resource_key(kind: Kind, metadata: dict[str, object]) -> ResourceKey | None:
    """The resource that an object is, or belongs to."""
    if kind.kind == "VisionFineTune":
        name = metadata["name"]
    else:
        labels = metadata.get("labels")
        name = labels.get(LABEL_NAME) if isinstance(labels, dict) else None
    return ResourceKey(str(metadata["namespace"]), str(name)) if name else None
