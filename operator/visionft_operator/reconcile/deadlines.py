"""How long until something is due that no event announces."""

from __future__ import annotations

from datetime import datetime, timedelta

from visionft_api.durations import parse_duration

from visionft_operator.reconcile.views import JobView


def seconds(duration: str | None) -> int | None:
    """A duration of the API as whole seconds, as Jobs have them."""
    return None if duration is None else int(parse_duration(duration).total_seconds())


def pending_left(job: JobView, pending_deadline: str | None, now: datetime) -> timedelta | None:
    """Time that the Job's pod still has to start; negative when it is over, None without a deadline.

    Counts from when the Job could first have started: its creation, or the end of its suspension.
    """
    if pending_deadline is None:
        return None
    suspended = job.conditions.get("Suspended")
    resumed = suspended.since if suspended is not None and suspended.status == "False" else None
    since = max(job.created, resumed) if resumed else job.created
    return since + parse_duration(pending_deadline) - now
