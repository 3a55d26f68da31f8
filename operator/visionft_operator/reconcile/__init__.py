"""The decision: from everything that is observed to everything that should be done. Pure; nothing here does I/O.

Read `reconcile` below first; each step is a module of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from visionft_api.conditions import ConditionType, Reason
from visionft_api.hashing import spec_hash
from visionft_api.resource import VisionFineTune
from visionft_api.status import VisionFineTuneStatus
from visionft_api.support import unsupported

from visionft_operator.ingest.store import LatestReport
from visionft_operator.reconcile.checking import is_checking, with_check
from visionft_operator.reconcile.children import children, leftovers
from visionft_operator.reconcile.conditions import Said, Sayings, merge, phase_of
from visionft_operator.reconcile.history import begin_run, is_final, with_entry
from visionft_operator.reconcile.narrate import narrate
from visionft_operator.reconcile.observed import Observed
from visionft_operator.reconcile.outcome import judge_again
from visionft_operator.reconcile.plan import Plan
from visionft_operator.reconcile.runs import check_of_run, choose_run, job_of_run
from visionft_operator.reconcile.situation import warnings_matter, with_job, without_job
from visionft_operator.reconcile.views import JobView
from visionft_operator.reconcile.write import same_but_progress, same_to_people, write_status

__all__ = ["reconcile"]

CLAIM_RETRY_SECONDS = 10.0
"""How soon to look again for a claim that is missing: the operator does not watch claims."""

ACCEPTED = Said("True", Reason.ACCEPTED, "The spec is valid and everything in it is supported.")


def reconcile(o: Observed) -> Plan:
    """Decide what to do about a resource."""
    if o.meta.deleting:
        return Plan()  # garbage collection takes the children
    refused = _refused(o)
    if o.resource is None or refused is not None:
        return _stand_still(o, refused or Said("False", Reason.INVALID, "The spec cannot be read."))
    resource, digest = o.resource, spec_hash(o.resource.spec)
    known = o.status.resolved.spec_hash if o.status.resolved else None
    run = choose_run(digest, o.status.run, known, o.jobs)
    job = job_of_run(run, o.jobs)
    if run == o.status.run and is_final(o.status):
        return replace(_finished(o, resource), after=leftovers(o, resource, run, job))
    return _advance(o, resource, run, digest, job)


def _refused(o: Observed) -> Said | None:
    """Why the spec is not taken, None when it is."""
    if o.resource is None:
        problems = "; ".join(o.problems)
        return Said("False", Reason.INVALID, f"The spec cannot be taken: {problems}.")
    problems_found = unsupported(o.resource.spec)
    if problems_found:
        told = "; ".join(str(problem) for problem in problems_found)
        return Said("False", Reason.NOT_SUPPORTED, f"{told}.")
    return None


def _advance(o: Observed, resource: VisionFineTune, run: int, digest: str, job: JobView | None) -> Plan:
    """Bring a run that has not ended one step further."""
    policy = resource.spec.run_policy
    begun = o
    if run != o.status.run:
        begun = replace(o, status=begin_run(o.status, run, digest, o.now), report=_report_of(o, run))
    checking = is_checking(resource, begun.status, job)
    if checking:
        job = check_of_run(run, o.jobs)
    leaving = _leaving(o, run, job)
    if job is None and not leaving and not policy.suspend and o.refusal is None:
        if o.missing_claims is None:
            return Plan(ask=True)
        if o.missing_claims:
            return _without_claims(o, o.missing_claims)
    before = children(o, resource, run, digest, job, checking=checking, wait=bool(leaving))
    if before:
        return Plan(before=before)
    if job is None or leaving:
        situation = without_job(run, suspended=policy.suspend, leaving=leaving, refusal=o.refusal)
    else:
        if o.warnings is None and warnings_matter(job, o.pods):
            return Plan(ask=True)
        situation = with_check(begun, run, job) if checking else with_job(begun, run, job, begun.status.start_time)
    status = write_status(begun, ACCEPTED, None if checking else job, situation)
    # What waits for the end to be written down comes next, and the watch's echo of our own write wakes nobody.
    return _tell(o, status, 0.0 if is_final(status) else situation.again_after)


def _leaving(o: Observed, run: int, job: JobView | None) -> str:
    """What of the run is on its way out and has to be gone before a Job can be created, "" when nothing is.

    Pods outlive a Job that was deleted by hand for as long as they save a checkpoint, and two pods must never write to
    one output folder.
    """
    if job is not None:
        return f"Job {job.name}" if job.deleting else ""
    return next((f"pod {pod.name}" for pod in o.pods if pod.run == run and not pod.over), "")


def _report_of(o: Observed, run: int) -> LatestReport | None:
    return o.report if o.report is not None and o.report.run == run else None


def _finished(o: Observed, resource: VisionFineTune) -> Plan:
    """The run has ended and the status says how: nothing about it changes any more, but what the gates make of it."""
    sayings = {ConditionType.ACCEPTED: ACCEPTED}
    judged = judge_again(resource.spec, o.status)
    if judged is None:
        return _tell(o, _with_sayings(o, sayings), None)
    sayings[ConditionType.SUCCEEDED], evaluation = judged
    status = _with_sayings(o, sayings).model_copy(update={"evaluation": evaluation})
    return _tell(o, status.model_copy(update={"history": with_entry(status, o.now)}), None)


def _stand_still(o: Observed, refused: Said) -> Plan:
    """A spec that is not taken starts nothing, and stops nothing: a run that it found goes on unless it is mended."""
    sayings = {ConditionType.ACCEPTED: refused}
    if o.status.run and not is_final(o.status):
        goes_on = f"{refused.message} Run {o.status.run}, which began before this change, goes on."
        sayings[ConditionType.ACCEPTED] = refused._replace(message=goes_on)
    if not o.status.run:
        sayings[ConditionType.SUCCEEDED] = Said("False", Reason.SPEC_INVALID, "Nothing was started: see Accepted.")
    return _tell(o, _with_sayings(o, sayings), None)


def _without_claims(o: Observed, missing: Sequence[str]) -> Plan:
    names = ", ".join(missing)
    message = (
        f"PersistentVolumeClaim {names} does not exist in namespace {o.meta.namespace}. Create it, or correct the name "
        "in spec.model.uri, spec.dataset or spec.output; the run then starts by itself."
    )
    sayings = {ConditionType.ACCEPTED: Said("False", Reason.CLAIM_NOT_FOUND, message)}
    if not o.status.run:
        waits = Said("Unknown", Reason.IN_PROGRESS, "The first run waits for its claims: see Accepted.")
        sayings[ConditionType.SUCCEEDED] = waits
    return _tell(o, _with_sayings(o, sayings), CLAIM_RETRY_SECONDS)


def _with_sayings(o: Observed, sayings: Sayings) -> VisionFineTuneStatus:
    """The status as it is, with these conditions changed."""
    conditions = merge(o.status.conditions, sayings, o.meta.generation, o.now)
    changes = {"conditions": conditions, "phase": phase_of(conditions), "observed_generation": o.meta.generation}
    return o.status.model_copy(update=changes)


def _tell(o: Observed, status: VisionFineTuneStatus, again_after: float | None) -> Plan:
    """Write the status if a person would see a difference; progress alone has to wait for its turn."""
    old, new = o.status.to_json(), status.to_json()
    if same_to_people(old, new):
        return Plan(again_after=again_after)
    if same_but_progress(old, new) and o.progress_written is not None:
        turn = o.progress_written + o.environment.status_interval - o.now
        if turn > timedelta(0):
            return Plan(again_after=min(turn.total_seconds(), again_after or turn.total_seconds()))
    return Plan(notes=tuple(narrate(o.status, status, o.meta.generation)), status=new, again_after=again_after)
