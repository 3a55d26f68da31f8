"""Which Job and ConfigMap a run should have, against those it has."""

from __future__ import annotations

from typing import Any

from visionft_api.resource import VisionFineTune

from visionft_operator.build_configmap import build_configmap
from visionft_operator.build_job import build_job
from visionft_operator.fingerprint import fingerprint
from visionft_operator.reconcile.deadlines import seconds
from visionft_operator.reconcile.observed import Observed
from visionft_operator.reconcile.plan import Action, ApplyConfigMap, CreateJob, DeleteJob, PatchJob
from visionft_operator.reconcile.runs import superseded
from visionft_operator.reconcile.views import JobView


def children(
    o: Observed, resource: VisionFineTune, run: int, spec_hash: str, job: JobView | None, *, wait: bool
) -> tuple[Action, ...]:
    """Return what is to be done before anything can be said about the run; nothing when all is in place.

    `wait`: something of the run is still on its way out, so no Job is created yet.
    """
    actions: list[Action] = [DeleteJob(old.name, old.uid) for old in superseded(run, o.jobs)]
    if o.refusal is not None:
        return tuple(actions)
    if job is None:
        if not wait and not resource.spec.run_policy.suspend:
            config = build_configmap(resource, run, o.environment.ca_pem)
            actions += [ApplyConfigMap(config), CreateJob(build_job(resource, run, spec_hash, o.environment.job))]
        return tuple(actions)
    if job.finished or job.deleting:
        return tuple(actions)
    config = build_configmap(resource, run, o.environment.ca_pem)
    if fingerprint(config) != o.config_digest:
        actions.append(ApplyConfigMap(config, ours=True))
    changes = _changes(resource, job)
    if changes:
        actions.append(PatchJob(job.name, changes))
    return tuple(actions)


def _changes(resource: VisionFineTune, job: JobView) -> dict[str, Any]:
    """What runPolicy says that the live Job does not, of what Kubernetes lets one change."""
    policy = resource.spec.run_policy
    wanted: dict[str, Any] = {
        "suspend": policy.suspend,
        "backoffLimit": policy.backoff_limit,
        "activeDeadlineSeconds": seconds(policy.active_deadline),
    }
    has = {
        "suspend": job.suspended,
        "backoffLimit": job.backoff_limit,
        "activeDeadlineSeconds": job.active_deadline,
    }
    return {name: value for name, value in wanted.items() if value != has[name]}


def leftovers(o: Observed, resource: VisionFineTune, run: int, job: JobView | None) -> tuple[Action, ...]:
    """Return what is to be done about the Jobs of a run whose end is written down."""
    actions: list[Action] = [DeleteJob(old.name, old.uid) for old in superseded(run, o.jobs)]
    if job is None or job.deleting:
        return tuple(actions)
    if not job.finished:
        return (*actions, DeleteJob(job.name, job.uid))
    ttl = seconds(resource.spec.run_policy.job_ttl)
    if ttl != job.ttl and o.refusal is None:
        actions.append(PatchJob(job.name, {"ttlSecondsAfterFinished": ttl}))
    return tuple(actions)
