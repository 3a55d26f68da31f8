"""The story of a resource: which events a change of its status is worth."""

from __future__ import annotations

from collections.abc import Iterator

from visionft_api.conditions import Condition, ConditionType, Reason, find_condition
from visionft_api.status import StatusWarning, VisionFineTuneStatus

from visionft_operator.reconcile.history import is_final
from visionft_operator.reconcile.plan import Note


def narrate(old: VisionFineTuneStatus, new: VisionFineTuneStatus, generation: int) -> list[Note]:
    """Return the events that tell the way from one status to the next, in order."""
    return list(_narrate(old, new, generation))


def _narrate(old: VisionFineTuneStatus, new: VisionFineTuneStatus, generation: int) -> Iterator[Note]:
    run = new.run or 0
    fresh = old.run != new.run
    yield from _accepted(old, new, generation)
    if fresh and old.run:
        yield Note("Normal", "SpecChanged", f"What the training depends on has changed: run {run} begins.", run)
    yield from _suspension(old, new, run, generation)
    yield from _check(old, new, run)
    yield from _warnings(old, new, run, fresh=fresh)
    yield from _children(old, new, run)
    yield from _waiting(old, new, run)
    yield from _progress(old, new, run, fresh=fresh)
    yield from _end(old, new, run, generation, fresh=fresh)


def _accepted(old: VisionFineTuneStatus, new: VisionFineTuneStatus, generation: int) -> Iterator[Note]:
    now = _moved(old, new, ConditionType.ACCEPTED)
    if now is None:
        return
    if now.status == "True":
        yield Note("Normal", "Accepted", now.message, once_per=str(generation))
    else:
        yield Note("Warning", "Refused", f"{now.reason}: {now.message}", once_per=f"{generation} {now.reason}")


def _check(old: VisionFineTuneStatus, new: VisionFineTuneStatus, run: int) -> Iterator[Note]:
    """The check that comes before the training; how it failed is told with the run's end."""
    now = _moved(old, new, ConditionType.DATA_CHECKED)
    if now is not None and now.status == "Unknown":
        message = f"The data of run {run} is checked before its training, by a Job that asks for no GPU."
        yield Note("Normal", "CheckStarted", message, run)
    elif now is not None and now.status == "True":
        yield Note("Normal", "CheckPassed", now.message, run)


def _warnings(old: VisionFineTuneStatus, new: VisionFineTuneStatus, run: int, *, fresh: bool) -> Iterator[Note]:
    """What the check of the data and the judging of the model found: each kind of finding once a run."""
    told = set() if fresh else {warning.reason for warning in _found(old)}
    for warning in _found(new):
        if warning.reason not in told:
            told.add(warning.reason)
            yield Note("Warning", warning.reason, warning.message, run)


def _found(status: VisionFineTuneStatus) -> list[StatusWarning]:
    data, evaluation = status.data, status.evaluation
    return [*((data.warnings if data else None) or ()), *((evaluation.warnings if evaluation else None) or ())]


def _children(old: VisionFineTuneStatus, new: VisionFineTuneStatus, run: int) -> Iterator[Note]:
    job, former = new.job_ref, old.job_ref if old.run == new.run else None
    if job is None or (former is not None and former.uid == job.uid):
        return
    if former is None:
        yield Note("Normal", "JobCreated", f"Job {job.name} is created for run {run}.", run, job.uid)
    else:
        message = f"Job {job.name} had been deleted before run {run} ended: it is created again."
        yield Note("Warning", "JobRecreated", message, run, job.uid)


def _suspension(old: VisionFineTuneStatus, new: VisionFineTuneStatus, run: int, generation: int) -> Iterator[Note]:
    before = find_condition(old.conditions, ConditionType.SUSPENDED)
    now = _moved(old, new, ConditionType.SUSPENDED)
    if now is None:
        return
    if now.status == "True":
        yield Note("Normal", "Suspended", now.message, run, str(generation))
    elif before is not None:
        yield Note("Normal", "Resumed", f"Run {run} goes on.", run, str(generation))


def _waiting(old: VisionFineTuneStatus, new: VisionFineTuneStatus, run: int) -> Iterator[Note]:
    titles = {
        Reason.UNSCHEDULABLE: "PodUnschedulable",
        Reason.IMAGE_PULL_FAILED: "ImagePullFailed",
        Reason.CONTAINER_CREATE_FAILED: "ContainerCreateFailed",
        Reason.CREATION_REFUSED: "CreationRefused",
    }
    now = _moved(old, new, ConditionType.QUEUED)
    if now is not None and now.status == "True" and now.reason in titles:
        since = now.last_transition_time.isoformat()
        yield Note("Warning", titles[Reason(now.reason)], now.message, run, since)


def _progress(old: VisionFineTuneStatus, new: VisionFineTuneStatus, run: int, *, fresh: bool) -> Iterator[Note]:
    yield from _replacement(old, new, run)
    now = _moved(old, new, ConditionType.RUNNING)
    if now is not None and now.status == "Unknown":
        yield Note("Warning", now.reason, now.message, run, now.last_transition_time.isoformat())
    if now is not None and now.status == "True":
        if fresh or old.start_time is None:
            yield Note("Normal", "TrainingStarted", f"Run {run} has started. {now.message}", run)
        else:
            message = f"Run {run} goes on. {now.message}"
            yield Note("Normal", "TrainingResumed", message, run, now.last_transition_time.isoformat())
    baseline = new.evaluation.baseline if new.evaluation else None
    if baseline and (fresh or not (old.evaluation and old.evaluation.baseline)):
        values = ", ".join(f"{metric} {value}" for metric, value in sorted(baseline.items()))
        yield Note("Normal", "BaselineMeasured", f"Before tuning, the base model measures: {values}.", run)


def _replacement(old: VisionFineTuneStatus, new: VisionFineTuneStatus, run: int) -> Iterator[Note]:
    """A pod that failed and is, or has been, replaced. The last one of a run that fails is told with the run's end."""
    failed, running = new.last_failure, find_condition(new.conditions, ConditionType.RUNNING)
    known = old.last_failure.pod_name if old.last_failure else None
    if failed is None or running is None or failed.pod_name == known or failed.run != run:
        return
    if running.reason == Reason.FINISHED or is_final(new):
        return
    message = running.message if running.reason == Reason.POD_FAILED else failed.message or ""
    yield Note("Warning", "PodReplaced", message, run, failed.pod_name or "")


def _end(
    old: VisionFineTuneStatus, new: VisionFineTuneStatus, run: int, generation: int, *, fresh: bool
) -> Iterator[Note]:
    now = find_condition(new.conditions, ConditionType.SUCCEEDED)
    if not run or now is None or now.status == "Unknown":
        return
    judged_again = is_final(old) and not fresh
    if judged_again and _moved(old, new, ConditionType.SUCCEEDED) is None:
        return
    once_per = str(generation) if judged_again else ""
    if now.status == "True":
        yield Note("Normal", now.reason, now.message, run, once_per)
    elif now.reason == Reason.GATE_NOT_MET:
        yield Note("Warning", now.reason, now.message, run, once_per)
    else:
        yield Note("Warning", "Failed", f"{now.reason}: {now.message}", run, once_per)


def _moved(old: VisionFineTuneStatus, new: VisionFineTuneStatus, kind: ConditionType) -> Condition | None:
    """The condition, when its status or reason has changed."""
    before, now = find_condition(old.conditions, kind), find_condition(new.conditions, kind)
    if now is None or (before is not None and (before.status, before.reason) == (now.status, now.reason)):
        return None
    return now
