"""Collects what a decision needs: from the cache, and by a few cheap questions that are asked only when they matter."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError
from visionft_api.parse import ManifestError, parse_resource
from visionft_api.resource import VisionFineTune
from visionft_api.status import VisionFineTuneStatus

from visionft_operator.cache import Cache
from visionft_operator.claims import claims_of
from visionft_operator.ingest.ports import ResourceKey
from visionft_operator.ingest.store import ReportStore
from visionft_operator.kube import CLAIMS, EVENTS, JOBS, PODS, VISION_FINE_TUNES, Kube
from visionft_operator.reconcile.observed import Environment, Meta, Observed
from visionft_operator.reconcile.situation import warnings_matter
from visionft_operator.reconcile.views import JobView, PodView, Warned

PATIENCE = timedelta(seconds=3)
"""A Job without a pod, or a container being created, for longer than this: ask for the warnings that tell why."""


DECISIVE = frozenset({"run", "jobRef", "conditions", "resolved", "startTime"})
"""Fields of the status that decisions rest on. Without them a finished run could be trained again."""


def read_status(body: dict[str, Any]) -> VisionFineTuneStatus:
    """Read the stored status; what another version wrote into it and this one does not know is left out.

    Raises ValueError when a decisive field cannot be read: then nothing may be done about the resource.
    """
    known = dict(body.get("status", {}))
    while True:
        try:
            return VisionFineTuneStatus.model_validate(known, extra="ignore")
        except ValidationError as error:
            unreadable = {str(detail["loc"][0]) for detail in error.errors()}
            if unreadable & DECISIVE:
                raise
            known = {name: value for name, value in known.items() if name not in unreadable}


class SpecReader:
    """Reads specs, and remembers each for as long as its generation lasts: most looks find it unchanged."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[int, VisionFineTune | None, tuple[str, ...]]] = {}

    def read(self, body: dict[str, Any]) -> tuple[VisionFineTune | None, tuple[str, ...]]:
        """Return the resource, or None and what is wrong with it."""
        uid, generation = body["metadata"]["uid"], int(body["metadata"].get("generation", 1))
        known = self._read.get(uid)
        if known is None or known[0] != generation:
            known = self._read[uid] = (generation, *_parse(body))
        return known[1], known[2]

    def forget(self, uid: str) -> None:
        """Drop what is remembered of a resource that was deleted."""
        self._read.pop(uid, None)


def observe(
    cache: Cache,
    reports: ReportStore,
    specs: SpecReader,
    key: ResourceKey,
    environment: Environment,
    now: datetime,
) -> Observed | None:
    """Return what memory holds about the resource, None when there is no such resource.

    Raises ValueError when the stored status cannot be read: deciding without it could train a finished run again.
    """
    body = cache[VISION_FINE_TUNES].get(*key)
    if body is None:
        return None
    metadata = body["metadata"]
    resource, problems = specs.read(body)
    status = read_status(body)
    meta = Meta(
        namespace=key.namespace,
        name=key.name,
        uid=metadata["uid"],
        generation=int(metadata.get("generation", 1)),
        deleting="deletionTimestamp" in metadata,
    )
    return Observed(
        meta=meta,
        resource=resource,
        problems=problems,
        status=status,
        jobs=tuple(JobView.of(job) for job in cache[JOBS].of_resource(*key) if _owned(job, meta)),
        pods=tuple(sorted(map(PodView.of, cache[PODS].of_resource(*key)), key=lambda pod: pod.created)),
        report=reports.latest(meta.uid, status.run) if status.run else None,
        environment=environment,
        now=now,
    )


async def ask(kube: Kube, observed: Observed) -> Observed:
    """Add the answers of the API server to what memory holds: missing claims, and warnings about what is stuck."""
    missing: list[str] = []
    if observed.resource is not None:
        for claim in claims_of(observed.resource.spec):
            if await kube.get(CLAIMS, observed.meta.namespace, claim) is None:
                missing.append(claim)
    warnings: list[Warned] = []
    for uid in _stuck(observed):
        selector = f"involvedObject.uid={uid},type=Warning"
        listing = await kube.list(EVENTS, observed.meta.namespace, fieldSelector=selector)
        warnings += [Warned.of(event) for event in listing.items]
    warnings.sort(key=lambda w: w.last_seen or observed.now)
    return replace(observed, missing_claims=tuple(missing), warnings=tuple(warnings))


def _stuck(observed: Observed) -> list[str]:
    """Uids of what has not come up for a while: Jobs without a pod, and pods with a node but no container."""
    late = observed.now - PATIENCE
    uids = []
    for job in observed.jobs:
        if job.created < late and warnings_matter(job, observed.pods):
            pods = [pod for pod in observed.pods if pod.job_uid == job.uid and not pod.over]
            uids += [pod.uid for pod in pods if pod.created < late] if pods else [job.uid]
    return uids


def _parse(body: dict[str, Any]) -> tuple[VisionFineTune | None, tuple[str, ...]]:
    try:
        return parse_resource({**body, "status": {}}), ()
    except ManifestError as error:
        return None, tuple(str(problem) for problem in error.problems)


def _owned(body: dict[str, Any], meta: Meta) -> bool:
    """Whether the Job is this resource's, not one of a deleted namesake that garbage collection has not reached yet."""
    return any(owner["uid"] == meta.uid for owner in body["metadata"].get("ownerReferences", []))
