"""Jobs, pods and events as the decisions need them: small frozen records, read from API objects at the edge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from visionft_operator.names import ANNOTATION_SPEC_HASH, CHECK, CONTAINER, LABEL_PART, LABEL_RUN

Object = Mapping[str, Any]


@dataclass(frozen=True)
class ConditionView:
    """A condition of a Job or pod."""

    status: str
    reason: str = ""
    message: str = ""
    since: datetime | None = None


@dataclass(frozen=True)
class JobView:
    """A Job of a resource. Durations in whole seconds, as the Job has them."""

    name: str
    uid: str
    run: int
    spec_hash: str
    created: datetime
    check: bool = False
    """Whether it checks the run's data; then it trains nothing."""
    deleting: bool = False
    suspended: bool = False
    backoff_limit: int | None = None
    active_deadline: int | None = None
    ttl: int | None = None
    start_time: datetime | None = None
    completion_time: datetime | None = None
    failed: int = 0
    conditions: Mapping[str, ConditionView] = field(default_factory=dict)

    def is_true(self, condition: str) -> bool:
        """Whether the condition stands at True."""
        return condition in self.conditions and self.conditions[condition].status == "True"

    @property
    def finished(self) -> bool:
        """Whether the Job has come to its end, whatever the end was."""
        return self.is_true("Complete") or self.is_true("Failed")

    @classmethod
    def of(cls, body: Object) -> JobView:
        """Read a Job. A Job without our labels counts as run 0."""
        metadata, spec, status = body["metadata"], body["spec"], body.get("status", {})
        return cls(
            name=metadata["name"],
            uid=metadata["uid"],
            run=_run(metadata),
            spec_hash=metadata.get("annotations", {}).get(ANNOTATION_SPEC_HASH, ""),
            created=_time(metadata["creationTimestamp"]),
            check=metadata.get("labels", {}).get(LABEL_PART) == CHECK,
            deleting="deletionTimestamp" in metadata,
            suspended=bool(spec.get("suspend", False)),
            backoff_limit=spec.get("backoffLimit"),
            active_deadline=spec.get("activeDeadlineSeconds"),
            ttl=spec.get("ttlSecondsAfterFinished"),
            start_time=_time_or_none(status.get("startTime")),
            completion_time=_time_or_none(status.get("completionTime")),
            failed=int(status.get("failed", 0)),
            conditions=_conditions(status.get("conditions")),
        )


@dataclass(frozen=True)
class Termination:
    """How a container ended."""

    exit_code: int
    reason: str = ""
    message: str = ""
    finished_at: datetime | None = None


@dataclass(frozen=True)
class PodView:
    """A pod of a run, with its one container."""

    name: str
    uid: str
    run: int
    job_uid: str
    created: datetime
    phase: str
    node: str = ""
    deleting: bool = False
    reason: str = ""
    message: str = ""
    conditions: Mapping[str, ConditionView] = field(default_factory=dict)
    waiting_reason: str = ""
    waiting_message: str = ""
    running_since: datetime | None = None
    terminated: Termination | None = None
    image_id: str = ""

    @property
    def over(self) -> bool:
        """Whether the pod has ended and will not run again."""
        return self.phase in ("Succeeded", "Failed")

    @property
    def scheduled(self) -> bool:
        """Whether the pod has a node."""
        return bool(self.node)

    @classmethod
    def of(cls, body: Object) -> PodView:
        """Read a pod of one of our Jobs."""
        metadata, status = body["metadata"], body.get("status", {})
        container: Object = next((c for c in status.get("containerStatuses", []) if c["name"] == CONTAINER), {})
        state = container.get("state", {})
        ended = state.get("terminated") or container.get("lastState", {}).get("terminated")
        owner: Object = next((o for o in metadata.get("ownerReferences", []) if o.get("controller")), {})
        return cls(
            name=metadata["name"],
            uid=metadata["uid"],
            run=_run(metadata),
            job_uid=owner.get("uid", ""),
            created=_time(metadata["creationTimestamp"]),
            phase=status.get("phase", "Pending"),
            node=body.get("spec", {}).get("nodeName", ""),
            deleting="deletionTimestamp" in metadata,
            reason=status.get("reason", ""),
            message=status.get("message", ""),
            conditions=_conditions(status.get("conditions")),
            waiting_reason=state.get("waiting", {}).get("reason", ""),
            waiting_message=state.get("waiting", {}).get("message", ""),
            running_since=_time_or_none(state.get("running", {}).get("startedAt")),
            terminated=None
            if not ended
            else Termination(
                exit_code=int(ended["exitCode"]),
                reason=ended.get("reason", ""),
                message=ended.get("message", ""),
                finished_at=_time_or_none(ended.get("finishedAt")),
            ),
            image_id=container.get("imageID", ""),
        )


@dataclass(frozen=True)
class Warned:
    """A warning event on a Job or pod: what a controller or the node said about it."""

    object_uid: str
    reason: str
    message: str
    last_seen: datetime | None = None

    @classmethod
    def of(cls, body: Object) -> Warned:
        """Read a core/v1 Event."""
        seen = body.get("lastTimestamp") or body.get("eventTime") or body["metadata"].get("creationTimestamp")
        return cls(
            object_uid=body.get("involvedObject", {}).get("uid", ""),
            reason=body.get("reason", ""),
            message=body.get("message", ""),
            last_seen=_time_or_none(seen),
        )


def _run(metadata: Object) -> int:
    text = metadata.get("labels", {}).get(LABEL_RUN, "")
    return int(text) if text.isdecimal() else 0


def _conditions(conditions: Iterable[Object] | None) -> dict[str, ConditionView]:
    return {
        c["type"]: ConditionView(
            c["status"], c.get("reason", ""), c.get("message", ""), _time_or_none(c.get("lastTransitionTime"))
        )
        for c in conditions or ()
    }


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _time_or_none(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
