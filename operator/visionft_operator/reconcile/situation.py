"""Where a run stands: from its Job, pods and warnings to what each condition says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from visionft_api.conditions import ConditionType, Reason

from visionft_operator.reconcile.conditions import NOTHING_WRITTEN, Said, Sayings
from visionft_operator.reconcile.deadlines import pending_left
from visionft_operator.reconcile.diagnosis import (
    RESUMES,
    Failure,
    diagnose_failure,
    diagnose_lost,
    diagnose_waiting,
    what_follows,
)
from visionft_operator.reconcile.observed import Observed, Refusal
from visionft_operator.reconcile.outcome import Result, outcome_of, with_delta
from visionft_operator.reconcile.views import JobView, PodView

RETRY_SECONDS = 30.0
"""How soon to try again what the API server refused: a quota is freed by somebody else, and no event tells."""

LOOK_AGAIN_SECONDS = 5.0
"""How soon to look again at a pod that is not coming up: warnings about it wake nobody."""


@dataclass(frozen=True)
class Situation:
    """What is true of a run now.

    `started`: when a container of the run first ran. `result`: what a finished run left. `done`: the trainer got to
    its end, whatever the gates say.
    """

    sayings: Sayings
    started: datetime | None = None
    ended: datetime | None = None
    failure: Failure | None = None
    result: Result | None = None
    done: bool = False
    again_after: float | None = None


def without_job(run: int, *, suspended: bool, leaving: str, refusal: Refusal | None) -> Situation:
    """A run that has no Job yet, or none any more. `leaving` is what has to be gone before there can be one."""
    if suspended:
        return Situation(held(run, "It has not started: no Job exists."))
    if refusal is not None:
        message = (
            f"The API server refuses the run's {refusal.what}: {refusal.message.rstrip('. ')}. Lift what forbids it "
            f"(a quota, an admission policy, a right) or change the spec; it is tried again every {RETRY_SECONDS:g} s."
        )
        return Situation(_waiting(run, Said("True", Reason.CREATION_REFUSED, message)), again_after=RETRY_SECONDS)
    what = "A Job is about to be created."
    if leaving:
        what = f"The run's former {leaving} is still ending; the Job is created again after that."
    return Situation(_waiting(run, Said("True", Reason.WAITING_FOR_POD, what)))


def with_job(o: Observed, run: int, job: JobView, started: datetime | None) -> Situation:
    """A run that has a Job. `started` is when an earlier pass saw its container run, None when none has."""
    assert o.resource is not None
    policy, follows = o.resource.spec.run_policy, what_follows(o.resource.spec)
    pods = [pod for pod in o.pods if pod.job_uid == job.uid]
    failure = newest_failure(pods, follows)
    started = started or first_start(pods)
    if job.finished:
        outcome = outcome_of(o.resource.spec, job, pods, failure, reported_result(o))
        return Situation(
            outcome.sayings(run),
            started or job.start_time,
            outcome.ended or o.now,
            failure,
            outcome.result,
            done=job.is_true("Complete"),
        )
    if policy.suspend:
        leaving = [pod for pod in pods if not pod.over]
        detail = f"Pod {leaving[0].name} is ending. " if leaving else ""
        detail += f"When it is resumed, it {follows}."
        return Situation(held(run, detail), started, failure=failure)
    again_after = None
    if started is None:
        left = pending_left(job, policy.pending_deadline, o.now)
        if left is not None and left.total_seconds() <= 0:
            return Situation(_too_late(o, run, job, pods), None, o.now, failure)
        again_after = None if left is None else left.total_seconds()
    if warnings_matter(job, pods):
        again_after = min(again_after or LOOK_AGAIN_SECONDS, LOOK_AGAIN_SECONDS)
    return Situation(_live(o, run, job, pods, failure), started, failure=failure, again_after=again_after)


def warnings_matter(job: JobView, pods: Sequence[PodView]) -> bool:
    """Whether only warning events tell why nothing runs: the Job has no pod, or its pod has a node but no container.

    A pod that waits for the scheduler says so itself.
    """
    if job.finished or job.suspended or job.deleting:
        return False
    active = [pod for pod in pods if pod.job_uid == job.uid and not pod.over]
    return all(pod.scheduled and pod.running_since is None for pod in active)


def reported_result(o: Observed) -> Result:
    """What the pods of the current run have told, by report now or earlier (then it is in the status)."""
    report, status = o.report, o.status
    return Result(
        with_delta(report.evaluation if report and report.evaluation else status.evaluation),
        (report.artifacts if report else ()) or tuple(status.artifacts or ()),
        (report.resolved if report else None) or status.resolved,
        (report.data if report else None) or status.data,
        (report.estimate if report else None) or status.estimate,
    )


def newest_failure(pods: Sequence[PodView], follows: str) -> Failure | None:
    """What became of the youngest failed pod. `pods` are in the order of their creation."""
    failures = [failure for pod in pods if (failure := diagnose_failure(pod, follows)) is not None]
    return failures[-1] if failures else None


def first_start(pods: Sequence[PodView]) -> datetime | None:
    """When the run's container first ran."""
    times = [pod.running_since or (pod.created if pod.terminated else None) for pod in pods]
    return min((time for time in times if time is not None), default=None)


def _live(
    o: Observed, run: int, job: JobView, pods: Sequence[PodView], failure: Failure | None
) -> dict[ConditionType, Said]:
    active = [pod for pod in pods if not pod.over]
    if not active:
        return _between(o, run, job, pods, failure)
    pod = active[-1]
    assert o.resource is not None
    follows = what_follows(o.resource.spec)
    lost = diagnose_lost(pod, follows)
    if lost is not None:
        return _running(run, Said("Unknown", Reason.NODE_LOST, lost.message))
    if pod.running_since is not None:
        if pod.deleting:
            message = f"Pod {pod.name} is being taken away; it is replaced, and the new one {follows}."
            return _running(run, Said("False", Reason.POD_FAILED, message))
        return _running(run, Said("True", Reason.TRAINING, _training(o, pod)))
    if pod.terminated is not None:  # the pod's phase follows in a moment, and tells how it ended
        return _running(run, Said("True", Reason.TRAINING, f"Pod {pod.name} has ended; how, its Job tells next."))
    waiting = diagnose_waiting(pod, o.warnings or (), o.resource.spec)
    return _waiting(run, Said("True", waiting.reason, waiting.message), failure)


def _between(
    o: Observed, run: int, job: JobView, pods: Sequence[PodView], failure: Failure | None
) -> dict[ConditionType, Said]:
    """The Job has no pod now: none yet, or a failed one is about to be replaced, or no more is tried or allowed."""
    if failure is not None and _gives_up(job, pods, failure):
        said = Said("False", Reason.FINISHED, f"{failure.message} Run {run} ends.")
        return {**_running(run, said), ConditionType.QUEUED: Said("False", Reason.FINISHED, f"Run {run} ends.")}
    done = next((pod for pod in reversed(pods) if pod.phase == "Succeeded"), None)
    if done is not None:
        return _running(run, Said("True", Reason.TRAINING, f"Pod {done.name} has ended well; the Job ends next."))
    youngest = max((pod.created for pod in pods), default=job.created)
    refusals = [w for w in o.warnings or () if w.object_uid == job.uid and w.reason == "FailedCreate"]
    if refusals and (refusals[-1].last_seen or o.now) >= youngest:
        said_why = refusals[-1].message.rstrip(". ")
        message = (
            f"The pod cannot be created: {said_why}. Lift what forbids it (a quota, an admission policy) or ask for "
            "less in spec.resources; the Job keeps trying."
        )
        return _waiting(run, Said("True", Reason.CREATION_REFUSED, message), failure)
    return _waiting(run, Said("True", Reason.WAITING_FOR_POD, f"Job {job.name} is about to create a pod."), failure)


def _gives_up(job: JobView, pods: Sequence[PodView], failure: Failure) -> bool:
    """Whether the Job is about to fail: a pod's end is known a moment before the Job controller has drawn from it."""
    counted = [found for pod in pods if (found := diagnose_failure(pod, RESUMES)) and not found.disrupted]
    spent = job.backoff_limit is not None and len(counted) > job.backoff_limit
    return failure.hopeless or (spent and not failure.disrupted) or job.is_true("FailureTarget")


def _training(o: Observed, pod: PodView) -> str:
    """Where it runs and what it does. After a restart nobody has reported yet: then the status knows the stage."""
    stage: str | None = None
    if o.report is not None and o.report.pod_uid == pod.uid:
        stage = o.report.stage
    elif o.report is None and o.status.progress is not None:
        stage = o.status.progress.stage
    place = f"Pod {pod.name} runs on node {pod.node}"
    told = o.report.notes[-1:] if o.report is not None and o.report.pod_uid == pod.uid else ()
    return " ".join([f"{place}, stage {stage}." if stage else f"{place}.", *told])


def _in_progress(run: int) -> Said:
    return Said("Unknown", Reason.IN_PROGRESS, f"Run {run} is in progress.")


def _waiting(run: int, queued: Said, failure: Failure | None = None) -> dict[ConditionType, Said]:
    running = (
        Said("False", Reason.NOT_STARTED, f"Run {run} has no pod that runs.")
        if failure is None
        else Said("False", Reason.POD_FAILED, _replaced(failure))
    )
    return {
        ConditionType.QUEUED: queued,
        ConditionType.RUNNING: running,
        ConditionType.SUSPENDED: Said("False", Reason.NOT_SUSPENDED, "spec.runPolicy.suspend is false."),
        ConditionType.ARTIFACT_READY: NOTHING_WRITTEN,
        ConditionType.SUCCEEDED: _in_progress(run),
    }


def _replaced(failure: Failure) -> str:
    return failure.message if failure.disrupted else f"{failure.message} A replacement is on its way."


def _running(run: int, running: Said) -> dict[ConditionType, Said]:
    return {
        **_waiting(run, Said("False", Reason.STARTED, "The pod has been started.")),
        ConditionType.RUNNING: running,
    }


def held(run: int, detail: str) -> dict[ConditionType, Said]:
    """What a run says that spec.runPolicy.suspend holds."""
    message = f"Run {run} is held by spec.runPolicy.suspend. {detail} Set it to false to go on."
    return {
        **_waiting(run, Said("False", Reason.SUSPENDED, "A suspended run waits for nothing.")),
        ConditionType.RUNNING: Said("False", Reason.SUSPENDED, f"Run {run} is suspended."),
        ConditionType.SUSPENDED: Said("True", Reason.SUSPENDED_BY_USER, message),
    }


def _too_late(o: Observed, run: int, job: JobView, pods: Sequence[PodView]) -> dict[ConditionType, Said]:
    assert o.resource is not None
    cause = _live(o, run, job, pods, None)[ConditionType.QUEUED].message
    deadline = o.resource.spec.run_policy.pending_deadline
    message = (
        f"Run {run} did not start within spec.runPolicy.pendingDeadline ({deadline}). The last obstacle: {cause} Its "
        "Job was removed. Mend that or raise the deadline, then start a new run by setting spec.runPolicy.rerun to a "
        "new text."
    )
    return {
        **_running(run, Said("False", Reason.FINISHED, f"Run {run} never started.")),
        ConditionType.QUEUED: Said("False", Reason.FINISHED, f"Run {run} is over."),
        ConditionType.SUCCEEDED: Said("False", Reason.PENDING_DEADLINE_EXCEEDED, message),
    }
