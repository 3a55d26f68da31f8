"""The latest runs that ended, and the clean slate of a new one."""

from __future__ import annotations

from datetime import datetime

from visionft_api.conditions import ConditionType, find_condition
from visionft_api.status import (
    MAX_HISTORY,
    Evaluation,
    EvaluationSummary,
    HistoryEntry,
    Resolved,
    VisionFineTuneStatus,
)

OUTCOMES = {"True": "Succeeded", "False": "Failed"}
REPLACED = "Replaced"
OF_ONE_RUN = frozenset({ConditionType.SUCCEEDED, ConditionType.RUNNING, ConditionType.DATA_CHECKED})
"""Conditions that say nothing about the next run."""


def is_final(status: VisionFineTuneStatus) -> bool:
    """Whether the status tells the end of its run."""
    succeeded = find_condition(status.conditions, ConditionType.SUCCEEDED)
    return succeeded is not None and succeeded.status != "Unknown"


def with_entry(status: VisionFineTuneStatus, now: datetime) -> list[HistoryEntry]:
    """Return the history with the status' run in it. A run that has not ended was replaced by a newer one."""
    if not status.run:
        return list(status.history)
    succeeded = find_condition(status.conditions, ConditionType.SUCCEEDED)
    ended = is_final(status)
    entry = HistoryEntry(
        run=status.run,
        spec_hash=status.resolved.spec_hash if status.resolved else None,
        outcome=OUTCOMES[succeeded.status] if succeeded and ended else REPLACED,
        reason=succeeded.reason if succeeded and ended else "SpecChanged",
        start_time=status.start_time,
        completion_time=status.completion_time if ended else now,
        evaluation=_in_short(status.evaluation),
        artifacts=status.artifacts,
    )
    others = [known for known in status.history if known.run != status.run]
    return [entry, *others][:MAX_HISTORY]


def begin_run(status: VisionFineTuneStatus, run: int, spec_hash: str, now: datetime) -> VisionFineTuneStatus:
    """Return the status with which a new run begins: nothing of the former run's but history and last failure."""
    return VisionFineTuneStatus(
        run=run,
        resolved=Resolved(spec_hash=spec_hash),
        conditions=[c for c in status.conditions if c.type not in OF_ONE_RUN],
        last_failure=status.last_failure,
        drift=status.drift,
        history=with_entry(status, now),
    )


def _in_short(evaluation: Evaluation | None) -> EvaluationSummary | None:
    """What stays of a run's evaluation: five whole ones would be most of the resource."""
    if evaluation is None:
        return None
    return EvaluationSummary(**{name: getattr(evaluation, name) for name in EvaluationSummary.model_fields})
