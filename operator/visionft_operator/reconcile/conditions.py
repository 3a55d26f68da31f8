"""Conditions: from what is said now and what stood there before, to what is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from visionft_api.conditions import Condition, ConditionStatus, ConditionType, Reason
from visionft_api.status import Phase


class Said(NamedTuple):
    """What a condition says: its status, reason and message."""

    status: ConditionStatus
    reason: str
    message: str


Sayings = Mapping[ConditionType, Said]


def merge(old: Sequence[Condition], said: Sayings, generation: int, now: datetime) -> list[Condition]:
    """Return the conditions in a fixed order. What is not said stays; lastTransitionTime moves with status only."""
    before = {condition.type: condition for condition in old}
    after = []
    for kind in ConditionType:
        was, new = before.get(kind), said.get(kind)
        if new is None:
            if was is not None:
                after.append(was)
            continue
        moved = was is None or was.status != new.status
        after.append(
            Condition(
                type=kind.value,
                status=new.status,
                reason=new.reason,
                message=new.message,
                observed_generation=generation,
                last_transition_time=now if moved or was is None else was.last_transition_time,
            )
        )
    return after


def phase_of(conditions: Sequence[Condition]) -> Phase:
    """The one word for people, derived from the conditions and from nothing else."""
    state = {condition.type: condition for condition in conditions}

    def stands(kind: ConditionType, *statuses: str) -> bool:
        return kind in state and state[kind].status in statuses

    in_progress = stands(ConditionType.SUCCEEDED, "Unknown")
    if stands(ConditionType.ACCEPTED, "False") and not (
        in_progress and stands(ConditionType.RUNNING, "True", "Unknown")
    ):
        return Phase.REFUSED
    if stands(ConditionType.SUCCEEDED, "True"):
        return Phase.SUCCEEDED
    if stands(ConditionType.SUCCEEDED, "False"):
        return Phase.FAILED
    if stands(ConditionType.SUSPENDED, "True"):
        return Phase.SUSPENDED
    if stands(ConditionType.RUNNING, "True", "Unknown"):
        return Phase.RUNNING
    if stands(ConditionType.QUEUED, "True") and state[ConditionType.QUEUED].reason == Reason.UNSCHEDULABLE:
        return Phase.QUEUED
    return Phase.PENDING


NOTHING_WRITTEN = Said("False", Reason.NOT_WRITTEN, "No artifact has been written yet.")
