"""Which Job and ConfigMap a run should have, against those it has."""

from __future__ import annotations

from typing import Any

from visionft_api.resource import VisionFineTune

from visionft_operator.build_configmap import build_configmap
from visionft_operator.build_job import build_check_job, build_job
from visionft_operator.fingerprint import fingerprint
from visionft_operator.reconcile.deadlines import seconds
from visionft_operator.reconcile.observed import Observed
from visionft_operator.reconcile.plan import Action, ApplyConfigMap, CreateJob, DeleteJob, PatchJob
from visionft_operator.reconcile.runs import check_of_run, superseded
from visionft_operator.reconcile.views import JobView


def children(
    o: Observed,
    resource: VisionFineTune,
    run: int,
    spec_hash: str,
    job: JobView | None,
    *,
    checking: bool,
    wait: bool,
) -> tuple[Action, ...]:
    """Return what is to be done before anything can be said about the run; nothing when all is in place.

    `job` is the run's, or the one that checks its data where `checking`. `wait`: something of the run is still on its
    way out, so no Job is created yet.
    """
    actions: list[Action] = [DeleteJob(old.name, old.uid) for old in superseded(run, o.jobs, checking=checking)]
    if o.refusal is not None:
        return tuple(actions)
    if job is None:
        if not wait and not resource.spec.run_policy.suspend:
            config = build_configmap(resource, run, o.environment.ca_pem)
            build = build_check_job if checking else build_job
            body = build(resource, run, spec_hash, o.environment.job)
            actions += [ApplyConfigMap(config), CreateJob(body, check=checking)]
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
    actions: list[Action] = [DeleteJob(old.name, old.uid) for old in superseded(run, o.jobs, checking=False)]
    ttl = seconds(resource.spec.run_policy.job_ttl)
    for ended in (job, check_of_run(run, o.jobs)):
        if ended is None or ended.deleting:
            continue
        if ended.finished and ttl != ended.ttl and o.refusal is None:
            actions.append(PatchJob(ended.name, {"ttlSecondsAfterFinished": ttl}))
        if not ended.finished and not ended.check:
            actions.append(DeleteJob(ended.name, ended.uid))
    return tuple(actions)
