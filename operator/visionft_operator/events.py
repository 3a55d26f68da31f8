"""Events on the resource: what `kubectl describe vft` tells."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from visionft_api.shown import shorten

from visionft_operator.names import FIELD_MANAGER
from visionft_operator.reconcile.plan import Note

MAX_MESSAGE = 1024
"""The API server refuses longer ones."""

FIRST = (
    "Accepted",
    "Refused",
    "SpecChanged",
    "Resumed",
    "CheckStarted",
    "CheckPassed",
    "JobCreated",
    "Suspended",
    "TrainingStarted",
    "TrainingResumed",
    "BaselineMeasured",
)
LAST = ("Completed", "GatesPassed", "GateNotMet", "Failed")
"""Within a second kubectl shows events in the order of their names, so the names say what comes first and last."""


def build_event(note: Note, reference: dict[str, str], now: datetime) -> dict[str, Any]:
    """Return the core/v1 Event. `reference` is the resource: apiVersion, kind, namespace, name, uid.

    The name follows from the transition, so telling it again after a crash is refused as a duplicate and harmless.
    """
    unique = "\n".join((reference["uid"], note.reason, str(note.run), note.once_per))
    digest = hashlib.sha256(unique.encode()).hexdigest()[:16]
    time = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    message = shorten(note.message, MAX_MESSAGE)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{reference['name']}.{note.run:03}{_rank(note.reason):02}{digest}",
            "namespace": reference["namespace"],
        },
        "involvedObject": dict(reference),
        "type": note.type,
        "reason": note.reason,
        "message": message,
        "source": {"component": FIELD_MANAGER},
        "reportingComponent": FIELD_MANAGER,
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    }


def _rank(reason: str) -> int:
    """Where an event of this reason belongs among those of the same second; what the data has shown is between."""
    if reason in FIRST:
        return FIRST.index(reason)
    return len(FIRST) + (reason in LAST)
