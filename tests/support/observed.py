"""Makes what a reconcile observes, in the words of a test."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from visionft_api.hashing import spec_hash
from visionft_api.parse import parse_resource
from visionft_api.resource import VisionFineTune
from visionft_api.status import VisionFineTuneStatus
from visionft_api.termination import TerminationMessage, encode
from visionft_operator.build_job import JobSettings
from visionft_operator.ingest.store import LatestReport
from visionft_operator.reconcile import reconcile
from visionft_operator.reconcile.observed import Environment, Meta, Observed
from visionft_operator.reconcile.plan import Plan
from visionft_operator.reconcile.views import ConditionView, JobView, PodView, Termination

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
ENVIRONMENT = Environment(
    JobSettings("visionft/trainer:0.1.0", "https://visionft-operator.visionft-system.svc:8443"),
    "-----BEGIN CERTIFICATE-----\n",
    timedelta(seconds=10),
)

SPEC: dict[str, Any] = {
    "model": {"uri": "pvc://models/tiny"},
    "dataset": {
        "train": {"pvc": {"claimName": "data", "path": "train.jsonl"}},
        "validation": {"pvc": {"claimName": "data", "path": "val.jsonl"}},
    },
    "evaluation": {"gates": ["cer <= 0.05"]},
    "output": {"pvc": {"claimName": "out"}},
    "resources": {"gpus": 0},
}


def ago(seconds: float) -> datetime:
    """A moment before NOW."""
    return NOW - timedelta(seconds=seconds)


def resource(generation: int = 1, **changes: dict[str, Any]) -> VisionFineTune:
    """A resource; `changes` are merged into its spec, one section each (camelCase inside)."""
    spec = json.loads(json.dumps(SPEC))
    for section, change in changes.items():
        spec[section] = {**spec.get(section, {}), **change}
    return parse_resource(
        {
            "apiVersion": "visionft.dev/v1alpha1",
            "kind": "VisionFineTune",
            "metadata": {"namespace": "team", "name": "digits", "uid": "uid-vft", "generation": generation},
            "spec": spec,
        }
    )


def observed(vft: VisionFineTune | None = None, **changes: Any) -> Observed:
    """A resource as it was just applied, with all claims there and no warnings; `changes` are fields of Observed."""
    vft = vft or resource()
    base = Observed(
        meta=Meta("team", "digits", "uid-vft", vft.metadata.generation or 1),
        resource=vft,
        problems=(),
        status=VisionFineTuneStatus(),
        jobs=(),
        pods=(),
        report=None,
        environment=ENVIRONMENT,
        now=NOW,
        missing_claims=(),
        warnings=(),
    )
    return replace(base, **changes)


def job(vft: VisionFineTune | None = None, run: int = 1, **changes: Any) -> JobView:
    """The Job of a run, as the operator would have created it ten seconds ago."""
    vft = vft or resource()
    base = JobView(
        name=f"digits-run-{run}",
        uid=f"uid-job-{run}",
        run=run,
        spec_hash=spec_hash(vft.spec),
        created=ago(10),
        backoff_limit=vft.spec.run_policy.backoff_limit,
    )
    return replace(base, **changes)


def ended(vft: VisionFineTune | None = None, condition: str = "Complete", reason: str = "", **changes: Any) -> JobView:
    """A finished Job."""
    conditions = {condition: ConditionView("True", reason, "said by the Job controller", ago(1))}
    return job(vft, conditions=conditions, **changes)


def pod(number: int = 1, run: int = 1, **changes: Any) -> PodView:
    """A pod that waits for the scheduler."""
    base = PodView(
        name=f"digits-run-{run}-pod{number}",
        uid=f"uid-pod-{number}",
        run=run,
        job_uid=f"uid-job-{run}",
        created=ago(9 - number / 10),
        phase="Pending",
    )
    return replace(base, **changes)


def running(number: int = 1, **changes: Any) -> PodView:
    """A pod whose container runs."""
    conditions = {"Ready": ConditionView("True")}
    base = pod(number, phase="Running", node="node-1", running_since=ago(5), conditions=conditions)
    return replace(base, **changes)


def failed(
    code: int, reason: str = "Error", message: str = "", number: int = 1, disruption: str = "", **changes: Any
) -> PodView:
    """A pod that failed. `disruption` is the reason of its DisruptionTarget condition."""
    conditions = {}
    if disruption:
        conditions["DisruptionTarget"] = ConditionView("True", disruption, "told by the cluster", ago(2))
    base = pod(
        number,
        phase="Failed",
        node="node-1",
        conditions=conditions,
        terminated=Termination(code, reason, message, ago(2)),
    )
    return replace(base, **changes)


def succeeded(message: str = "", number: int = 1) -> PodView:
    """A pod that ended well."""
    return pod(number, phase="Succeeded", node="node-1", terminated=Termination(0, "Completed", message, ago(2)))


def last_word(exit_code: int = 0, reason: str = "Completed", **fields: Any) -> str:
    """What a trainer's pod leaves as its termination message."""
    return encode(TerminationMessage(exit_code=exit_code, reason=reason, **fields)).decode()


def report(pod_number: int = 1, run: int = 1, **changes: Any) -> LatestReport:
    """What the store holds of a run."""
    base = LatestReport(run=run, pod_uid=f"uid-pod-{pod_number}", sequence=1, received=ago(1), stage="train")
    return replace(base, **changes)


def status_of(plan: Plan) -> VisionFineTuneStatus:
    """The status that a plan writes."""
    assert plan.status is not None, f"no status in {plan}"
    return VisionFineTuneStatus.model_validate(plan.status)


def settle(o: Observed, jobs: tuple[JobView, ...] = (), pods: tuple[PodView, ...] = (), **changes: Any) -> Observed:
    """What is observed next: the status written by `o`'s plan, and the Jobs and pods given."""
    plan = reconcile(o)
    status = o.status if plan.status is None else status_of(plan)
    return replace(o, status=status, jobs=jobs, pods=pods, **changes)


def conditions(status: VisionFineTuneStatus) -> dict[str, tuple[str, str]]:
    """Status and reason of each condition."""
    return {c.type: (c.status, c.reason) for c in status.conditions}


def message(status: VisionFineTuneStatus, kind: str) -> str:
    """Message of a condition."""
    return next(c.message for c in status.conditions if c.type == kind)


def with_config(o: Observed) -> Observed:
    """The same, after the run's ConfigMap has been applied."""
    from visionft_operator.build_configmap import build_configmap
    from visionft_operator.fingerprint import fingerprint

    assert o.resource is not None
    run = max((j.run for j in o.jobs), default=1)
    return replace(o, config_digest=fingerprint(build_configmap(o.resource, run, o.environment.ca_pem)))


def reconciled(o: Observed) -> Plan:
    """The plan for a run whose ConfigMap is in place."""
    return reconcile(with_config(o))
