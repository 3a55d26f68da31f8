"""Does what a plan says. Thin: one API call an action, and the cache learns each answer at once."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any, assert_never

from visionft_operator.cache import Cache
from visionft_operator.events import build_event
from visionft_operator.ingest.ports import ResourceKey
from visionft_operator.kube import CONFIG_MAPS, EVENTS, JOBS, VISION_FINE_TUNES, ApiError, Kube
from visionft_operator.reconcile.plan import Action, ApplyConfigMap, CreateJob, DeleteJob, Note, PatchJob

logger = logging.getLogger(__name__)


class StaleError(Exception):
    """The cache was behind the API server where that matters; it has caught up, so look again."""


class Executor:
    """Carries out plans."""

    def __init__(self, kube: Kube, cache: Cache) -> None:
        self._kube = kube
        self._cache = cache

    async def act(self, key: ResourceKey, action: Action) -> None:
        """Do one action. Raises ApiError, connection errors and StaleError."""
        match action:
            case ApplyConfigMap(body, ours):
                if not ours:
                    await self._refuse_foreign(body)
                await self._kube.apply(CONFIG_MAPS, body)
                logger.debug("ConfigMap %s applied", body["metadata"]["name"])
            case CreateJob(body):
                await self._create_job(key, body)
            case PatchJob(name, spec):
                job = await self._kube.merge(JOBS, key.namespace, name, {"spec": spec})
                self._cache[JOBS].put(job)
                logger.info("Job %s changed: %s", name, json.dumps(spec))
            case DeleteJob(name, uid):
                await self._kube.delete(JOBS, key.namespace, name, uid)
                logger.info("Job %s deleted", name)
                await self._refresh_job(key, name)
            case _:
                assert_never(action)

    async def write_status(self, reference: dict[str, str], status: dict[str, Any]) -> bool:
        """Server-side apply the whole status of the resource. Returns False when the resource is gone."""
        body = {
            "apiVersion": reference["apiVersion"],
            "kind": reference["kind"],
            # The uid keeps the status of a deleted resource from landing on its namesake.
            "metadata": {name: reference[name] for name in ("namespace", "name", "uid")},
            "status": status,
        }
        try:
            self._cache[VISION_FINE_TUNES].put(await self._kube.apply(VISION_FINE_TUNES, body, "status"))
        except ApiError as error:
            if error.status not in (404, 409):
                raise
            logger.info("status not written, the resource is gone: %s", error.message)
            return False
        return True

    async def tell(self, reference: dict[str, str], notes: Sequence[Note], now: datetime) -> None:
        """Create the events. One that exists was told already; a refusal (namespace going, quota) stops nothing."""
        for note in notes:
            try:
                await self._kube.create(EVENTS, build_event(note, reference, now))
                logger.info("%s: %s", note.reason, note.message, extra={"fields": {"event": note.reason}})
            except ApiError as error:
                if error.status != 409:
                    logger.warning("event %s not created: %s", note.reason, error)

    async def _refuse_foreign(self, body: dict[str, Any]) -> None:
        """Raise ApiError 409 when a ConfigMap of that name is somebody else's.

        The operator may not read ConfigMaps, but is told what applying would make of one: entries or owners that it
        did not declare were there before. (Other entries are merged without a conflict, so force is not all there is.)
        """
        name = body["metadata"]["name"]
        foreign = ApiError(
            409, "AlreadyExists", f"a ConfigMap {name} that does not belong to this resource is in the way; delete it"
        )
        try:
            would_be = await self._kube.try_apply(CONFIG_MAPS, body)
        except ApiError as error:
            raise (foreign if error.status == 409 else error) from error
        owners = {owner["uid"] for owner in would_be["metadata"]["ownerReferences"]}
        declared = {owner["uid"] for owner in body["metadata"]["ownerReferences"]}
        if owners != declared or set(would_be["data"]) != set(body["data"]) or would_be.get("binaryData"):
            raise foreign

    async def _create_job(self, key: ResourceKey, body: dict[str, Any]) -> None:
        """Create a Job, once it is certain that the resource still wants it and that the name is free.

        Training a finished run again is the one mistake that a stale cache could cause, so the resource is read anew.
        """
        known = self._cache[VISION_FINE_TUNES].get(*key)
        fresh = await self._kube.get(VISION_FINE_TUNES, *key)
        if fresh is None or known is None or fresh["metadata"]["uid"] != known["metadata"]["uid"]:
            raise StaleError("the resource is gone or has been replaced")
        if self._cache[VISION_FINE_TUNES].put(fresh):
            raise StaleError("the resource has changed meanwhile")
        name = body["metadata"]["name"]
        found = await self._kube.get(JOBS, key.namespace, name)
        if found is not None:
            self._cache[JOBS].put(found)
            if any(owner["uid"] == known["metadata"]["uid"] for owner in found["metadata"].get("ownerReferences", [])):
                raise StaleError(f"Job {name} exists already")
            message = f"a Job {name} that does not belong to this resource is in the way; delete or rename it"
            raise ApiError(409, "AlreadyExists", message)
        job = await self._kube.apply(JOBS, body)
        self._cache[JOBS].put(job)
        logger.info("Job %s created", name)

    async def _refresh_job(self, key: ResourceKey, name: str) -> None:
        """A deleted Job goes at once or stays, marked, until its pods are accounted for: learn which."""
        job = await self._kube.get(JOBS, key.namespace, name)
        if job is not None:
            self._cache[JOBS].put(job)
            return
        known = self._cache[JOBS].get(key.namespace, name)
        if known is not None:
            self._cache[JOBS].remove(known)
