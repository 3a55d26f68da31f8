"""runPolicy.check: Before. The data of a run is checked in a Job of its own, and only then is the run's Job created."""

from __future__ import annotations

from collections.abc import Mapping

from visionft_api.conditions import ConditionType, Reason, find_condition
from visionft_api.resource import VisionFineTune
from visionft_api.shown import shorten
from visionft_api.status import VisionFineTuneStatus

from visionft_operator.reconcile.conditions import Said
from visionft_operator.reconcile.observed import Observed
from visionft_operator.reconcile.situation import Situation, first_start, held, with_job, without_job
from visionft_operator.reconcile.views import JobView

MAX_OBSTACLE = 3000
"""Characters kept of what another condition says, so that what is said around it fits too."""


def is_checking(resource: VisionFineTune, status: VisionFineTuneStatus, job: JobView | None) -> bool:
    """Whether the run's data is to be checked now. `status` is the run's, `job` the Job that trains it.

    What has passed or begun to train is never checked again, whatever became of the Jobs since.
    """
    if resource.spec.run_policy.check != "Before" or job is not None or status.job_ref is not None:
        return False
    checked = find_condition(status.conditions, ConditionType.DATA_CHECKED)
    return checked is None or checked.status != "True"


def with_check(o: Observed, run: int, job: JobView) -> Situation:
    """A run whose data is being checked by this Job, or has been. Its own start and result are still to come."""
    assert o.resource is not None
    pods = [pod for pod in o.pods if pod.job_uid == job.uid]
    found = with_job(o, run, job, first_start(pods))
    sayings = dict(found.sayings)
    if job.is_true("Complete"):
        suspended = o.resource.spec.run_policy.suspend
        sayings = {**without_job(run, suspended=suspended, leaving="", refusal=None).sayings, **_passed(run)}
        return Situation(sayings, result=found.result, failure=found.failure, again_after=0.0)
    if found.ended is not None:
        why = sayings[ConditionType.SUCCEEDED]
        sayings[ConditionType.SUCCEEDED] = why._replace(
            message="The check of the data, which comes before the training, failed: "
            f"{shorten(why.message, MAX_OBSTACLE)}"
        )
        sayings[ConditionType.DATA_CHECKED] = Said("False", Reason.CHECK_FAILED, f"See Succeeded: {why.reason}.")
        return Situation(sayings, None, found.ended, found.failure, found.result)
    if o.resource.spec.run_policy.suspend:
        sayings = held(run, "The check of its data is held too.")
    sayings[ConditionType.DATA_CHECKED] = _under_way(run, job, sayings)
    running = sayings[ConditionType.RUNNING]
    if running.status != "False":
        # A pod that checks does not train: for the run, it is one more thing to wait for.
        message = f"The data is checked first, as spec.runPolicy.check says. {running.message}"
        sayings[ConditionType.QUEUED] = Said("True", Reason.CHECKING, message)
        sayings[ConditionType.RUNNING] = Said("False", Reason.NOT_STARTED, f"Run {run} has no pod that trains yet.")
    return Situation(sayings, failure=found.failure, again_after=found.again_after)


def _passed(run: int) -> dict[ConditionType, Said]:
    message = f"The data of run {run} can be trained on; status.data says what was found."
    return {ConditionType.DATA_CHECKED: Said("True", Reason.CHECK_PASSED, message)}


def _under_way(run: int, job: JobView, sayings: Mapping[ConditionType, Said]) -> Said:
    """What becomes of the check, with what it waits for."""
    waits = sayings[ConditionType.QUEUED]
    more = f" {shorten(waits.message, MAX_OBSTACLE)}" if waits.status == "True" else ""
    return Said("Unknown", Reason.CHECKING, f"Job {job.name} checks the data of run {run}.{more}")
