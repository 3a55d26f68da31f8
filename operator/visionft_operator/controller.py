"""One reconcile of one resource: gather, decide, act. The only place where the three meet."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from visionft_api import API_VERSION, KIND

from visionft_operator.cache import Cache
from visionft_operator.execute import Executor, StaleError
from visionft_operator.fingerprint import fingerprint
from visionft_operator.gather import SpecReader, ask, observe
from visionft_operator.ingest.ports import ResourceKey
from visionft_operator.ingest.store import ReportStore
from visionft_operator.kube import VISION_FINE_TUNES, ApiError, Kube
from visionft_operator.metrics import Metrics
from visionft_operator.reconcile import reconcile
from visionft_operator.reconcile.observed import Environment, Observed, Refusal
from visionft_operator.reconcile.plan import Action, ApplyConfigMap, CreateJob, Plan

MAX_LOOKS = 5
"""Ask, act, look: three are usual. More than this means that acting changes nothing, so wait for the next wake-up."""

REFUSALS = frozenset({400, 403, 404, 409, 413, 422})
"""HTTP statuses by which the API server says no to this child. Anything else is a fault, and tried again as one."""

STALE_SECONDS = 1.0

CONFIG_APPLIED = timedelta(seconds=60)
"""How long a ConfigMap that was applied is taken to be there still. The operator may not read ConfigMaps, so one that
somebody deleted comes back by being applied again; the pod of a live run may need it at any time, when it is replaced.
"""

logger = logging.getLogger(__name__)


class Controller:
    """Brings resources up to date, one call at a time for each."""

    def __init__(
        self,
        kube: Kube,
        cache: Cache,
        reports: ReportStore,
        metrics: Metrics,
        environment: Callable[[], Environment],
        clock: Callable[[], datetime],
    ) -> None:
        self._kube = kube
        self._cache = cache
        self._reports = reports
        self._metrics = metrics
        self._environment = environment
        self._clock = clock
        self._executor = Executor(kube, cache)
        self._specs = SpecReader()
        self._applied: dict[str, tuple[str, datetime]] = {}
        self._written: dict[str, datetime] = {}
        self._uids: dict[ResourceKey, str] = {}

    async def reconcile(self, key: ResourceKey) -> float | None:
        """Return after how many seconds to come again, None: when something happens."""
        with self._metrics.reconcile_seconds.time():
            try:
                return await self._reconcile(key)
            except StaleError as error:
                logger.info("looking again in %g s: %s", STALE_SECONDS, error)
                return STALE_SECONDS
            except Exception as error:
                reason = error.reason or str(error.status) if isinstance(error, ApiError) else type(error).__name__
                self._metrics.reconcile_failed(reason)
                raise

    async def _reconcile(self, key: ResourceKey) -> float | None:
        refusal: Refusal | None = None
        for _ in range(MAX_LOOKS):
            observed = self._observe(key, refusal)
            if observed is None:
                self._forget(key)
                return None
            plan = reconcile(observed)
            if plan.ask:
                plan = reconcile(await ask(self._kube, observed))
            if not plan.before:
                return await self._finish(key, observed, plan)
            refusal = await self._act(key, observed, plan.before) or refusal
        raise RuntimeError(f"nothing settles after {MAX_LOOKS} looks")

    def _observe(self, key: ResourceKey, refusal: Refusal | None) -> Observed | None:
        observed = observe(self._cache, self._reports, self._specs, key, self._environment(), self._clock())
        if observed is None:
            return None
        uid = self._uids[key] = observed.meta.uid
        digest, applied = self._applied.get(uid, (None, observed.now))
        if observed.now - applied >= CONFIG_APPLIED:
            digest = None
        return replace(observed, refusal=refusal, config_digest=digest, progress_written=self._written.get(uid))

    async def _act(self, key: ResourceKey, observed: Observed, actions: tuple[Action, ...]) -> Refusal | None:
        """Do the actions in order. Returns the API server's refusal of one, at which it stops."""
        for action in actions:
            try:
                await self._executor.act(key, action)
            except ApiError as error:
                if error.status not in REFUSALS:
                    raise
                logger.warning("%s refused: %s", type(action).__name__, error)
                return Refusal(_what(action), error.status, error.message)
            if isinstance(action, ApplyConfigMap):
                self._applied[observed.meta.uid] = fingerprint(action.body), observed.now
            elif isinstance(action, CreateJob) and not action.check:
                self._metrics.run_started()
        return None

    async def _finish(self, key: ResourceKey, observed: Observed, plan: Plan) -> float | None:
        """Tell what happened, write the status, and do what had to wait for that."""
        meta = observed.meta
        reference = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "namespace": meta.namespace,
            "name": meta.name,
            "uid": meta.uid,
        }
        await self._executor.tell(reference, plan.notes, observed.now)
        if plan.status is not None:
            if not await self._executor.write_status(reference, plan.status):
                return None  # the watch tells of its deletion, and of its namesake
            self._written[meta.uid] = observed.now
            self._count_end(observed, plan.status)
        await self._act(key, observed, plan.after)
        return plan.again_after

    def _count_end(self, observed: Observed, status: dict[str, object]) -> None:
        before = {c.type: c.status for c in observed.status.conditions}
        conditions = status["conditions"]
        assert isinstance(conditions, list)
        for condition in conditions:
            ended = condition["type"] == "Succeeded" and condition["status"] != "Unknown" and status.get("run")
            if ended and (before.get("Succeeded", "Unknown") == "Unknown" or observed.status.run != status["run"]):
                outcome = "Succeeded" if condition["status"] == "True" else "Failed"
                self._metrics.run_finished(outcome, condition["reason"])

    def _forget(self, key: ResourceKey) -> None:
        uid = self._uids.pop(key, None)
        if uid is not None and self._cache[VISION_FINE_TUNES].get(*key) is None:
            self._applied.pop(uid, None)
            self._written.pop(uid, None)
            self._specs.forget(uid)
            self._reports.forget(uid)


def _what(action: Action) -> str:
    match action:
        case ApplyConfigMap():
            return "ConfigMap"
        case _:
            return "Job"
