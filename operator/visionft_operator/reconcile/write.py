"""The status that follows from where a run stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from visionft_api.conditions import ConditionType
from visionft_api.decimals import short_decimal
from visionft_api.status import (
    Evaluation,
    JobRef,
    LastFailure,
    Progress,
    Resolved,
    Stage,
    VisionFineTuneStatus,
)

from visionft_operator.reconcile.conditions import Said, merge, phase_of
from visionft_operator.reconcile.diagnosis import Failure
from visionft_operator.reconcile.history import is_final, with_entry
from visionft_operator.reconcile.observed import Observed
from visionft_operator.reconcile.outcome import Result
from visionft_operator.reconcile.situation import Situation, reported_result
from visionft_operator.reconcile.views import JobView, PodView


def write_status(o: Observed, accepted: Said, job: JobView | None, situation: Situation) -> VisionFineTuneStatus:
    """Return the whole status. `o.status` is what it was, with a clean slate if the run is new."""
    old = o.status
    conditions = merge(
        old.conditions, {ConditionType.ACCEPTED: accepted, **situation.sayings}, o.meta.generation, o.now
    )
    result = situation.result or reported_result(o)
    status = old.model_copy(
        update={
            "observed_generation": o.meta.generation,
            "phase": phase_of(conditions),
            "conditions": conditions,
            "job_ref": old.job_ref if job is None else JobRef(name=job.name, uid=job.uid),
            "start_time": old.start_time or situation.started,
            "completion_time": situation.ended,
            "progress": _progress(o, situation),
            "evaluation": _displayed(o, result.evaluation),
            "artifacts": list(result.artifacts) or None,
            "data": result.data,
            "estimate": result.estimate,
            "resolved": _resolved(old.resolved, result, o.pods),
            "last_failure": _last_failure(old, situation.failure),
        }
    )
    if is_final(status):
        status = status.model_copy(update={"history": with_entry(status, o.now)})
    return status


def same_but_progress(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether two statuses differ in progress at most, which may wait a little."""
    return {**a, "progress": None} == {**b, "progress": None}


def same_to_people(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether two statuses differ at most in when the trainer last reported."""
    return same_but_progress(a, b) and _still(a.get("progress")) == _still(b.get("progress"))


def _still(progress: dict[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (progress or {}).items() if name != "lastUpdated"}


def _progress(o: Observed, situation: Situation) -> Progress | None:
    """The latest progress that was told, with its printed forms. A run that is done is at 100%."""
    reported = o.report.progress if o.report else None
    progress = reported or o.status.progress
    if situation.done:
        progress = (progress or Progress()).model_copy(update={"percent": 100})
    if progress is None:
        return None
    changes: dict[str, Any] = {"display": None, "eta": None}
    if o.report is not None and reported is not None:
        changes["stage"] = Stage(o.report.stage) if o.report.stage else reported.stage
        changes["last_updated"] = reported.last_updated or o.report.received
    if progress.percent is not None:
        changes["display"] = f"{progress.percent}%"
    if situation.ended is not None:
        changes["eta_seconds"] = None
    elif progress.eta_seconds is not None:
        changes["eta"] = _rounded(progress.eta_seconds)
    return progress.model_copy(update=changes)


def _displayed(o: Observed, evaluation: Evaluation | None) -> Evaluation | None:
    """The evaluation with its printed form: the first metric, before and after."""
    metrics = o.resource.spec.evaluation.metrics if o.resource else []
    if evaluation is None or not metrics:
        return evaluation
    name = metrics[0]
    figures = [
        short_decimal(float(found[name]))
        for found in (evaluation.baseline, evaluation.tuned)
        if found and name in found
    ]
    return evaluation.model_copy(update={"display": f"{name} {' -> '.join(figures)}" if figures else None})


def _rounded(seconds: int) -> str:
    """A time to come for people: two digits are more than an estimate is good for."""
    if seconds < 120:
        return f"{seconds}s"
    if seconds < 7200:
        return f"{round(seconds / 60)}m"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours}h{minutes}m" if minutes else f"{hours}h"


def _resolved(old: Resolved | None, result: Result, pods: Sequence[PodView]) -> Resolved:
    """The trainer knows model and data, the node the image, the operator the spec."""
    told = result.resolved
    image = next((pod.image_id for pod in reversed(pods) if pod.image_id), None)
    return Resolved(
        model_revision=(told.model_revision if told else None) or (old.model_revision if old else None),
        dataset_digest=(told.dataset_digest if told else None) or (old.dataset_digest if old else None),
        image_digest=image or (old.image_digest if old else None),
        spec_hash=old.spec_hash if old else None,
    )


def _last_failure(old: VisionFineTuneStatus, failure: Failure | None) -> LastFailure | None:
    """The failure of the youngest pod that is still there, unless a younger one's has been noted before."""
    known = old.last_failure
    if failure is None:
        return known
    if known and known.pod_name != failure.pod_name and known.time and failure.time and known.time > failure.time:
        return known
    return LastFailure(
        run=old.run,
        exit_code=failure.exit_code,
        reason=failure.reason,
        message=failure.message,
        time=failure.time,
        pod_name=failure.pod_name,
    )
