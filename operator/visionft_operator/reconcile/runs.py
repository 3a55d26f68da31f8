"""Which run the resource is at, and which Job is that run's."""

from __future__ import annotations

from collections.abc import Sequence

from visionft_operator.reconcile.views import JobView


def choose_run(spec_hash: str, status_run: int | None, status_hash: str | None, jobs: Sequence[JobView]) -> int:
    """Return the number of the run that the spec of this hash belongs to.

    The status knows it, as long as the hash has not changed: whether the run's Job still exists plays no part, so a
    Job that expired or was deleted never starts anything new. A Job of this hash that the status does not know yet is
    from a pass that was cut short before it could write the status. Anything else is a new run.
    """
    if status_run and status_hash == spec_hash:
        return status_run
    last = max([status_run or 0, *(job.run for job in jobs)])
    known = [job.run for job in jobs if job.spec_hash == spec_hash and not job.deleting and job.run > (status_run or 0)]
    return max(known, default=last + 1)


def job_of_run(run: int, jobs: Sequence[JobView]) -> JobView | None:
    """Return the Job that trains a run, None when there is none."""
    return next((job for job in jobs if job.run == run and not job.check), None)


def check_of_run(run: int, jobs: Sequence[JobView]) -> JobView | None:
    """Return the Job that checks a run's data, None when there is none."""
    return next((job for job in jobs if job.run == run and job.check), None)


def superseded(run: int, jobs: Sequence[JobView], *, checking: bool) -> list[JobView]:
    """Return the Jobs that nobody has deleted yet: those of other runs, and a check that is not wanted any more.

    A check that has finished stays as long as its run's own Job, for its log.
    """
    return [
        job
        for job in jobs
        if not job.deleting and (job.run != run or (job.check and not checking and not job.finished))
    ]
