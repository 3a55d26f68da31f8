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
    """Return the Job of a run, None when there is none."""
    return next((job for job in jobs if job.run == run), None)


def superseded(run: int, jobs: Sequence[JobView]) -> list[JobView]:
    """Return the Jobs of other runs that nobody has deleted yet."""
    return [job for job in jobs if job.run != run and not job.deleting]
