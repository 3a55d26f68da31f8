"""A pod's status as a kubelet reports it, from the pod and the node's record: pure functions."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sandbox.node.records import ContainerRecord, PodRecord, Running, State, Terminated, Waiting

NODE_IP = "127.0.0.1"
EPOCH = datetime.fromtimestamp(0, UTC)
CONTAINER_LOST_MESSAGE = "The container could not be located when the pod was terminated"

JsonObject = dict[str, Any]


def timestamp(moment: datetime) -> str:
    """RFC 3339 with whole seconds in UTC, the API's form."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def pod_phase(pod: Mapping[str, Any], record: PodRecord) -> str:
    """Pending, Running, Succeeded or Failed.

    A terminal phase is told only when no container can still run: `record.ended`.
    """
    if record.ended:
        forced = record.ending is not None and record.ending.failed
        done = all(container.succeeded for container in [*record.init, *record.app])
        return "Succeeded" if done and not forced else "Failed"
    if not record.volumes_ready or not all(container.succeeded for container in record.init):
        return "Pending"
    never_started = any(isinstance(c.state, Waiting) and c.last is None for c in record.app)
    return "Pending" if never_started else "Running"


def build_status(pod: Mapping[str, Any], record: PodRecord, now: datetime) -> JsonObject:
    """The status to write. `record.conditions` holds the conditions of the previous call, for their times."""
    phase = pod_phase(pod, record)
    ready = {c.name: isinstance(c.state, Running) and phase == "Running" for c in record.app}
    status: JsonObject = {
        "observedGeneration": pod["metadata"].get("generation"),
        "phase": phase,
        "conditions": _conditions(pod, record, phase, [name for name, is_ready in ready.items() if not is_ready], now),
        "hostIP": NODE_IP,
        "hostIPs": [{"ip": NODE_IP}],
        "podIP": NODE_IP if record.volumes_ready else None,
        "podIPs": [{"ip": NODE_IP}] if record.volumes_ready else None,
        "startTime": timestamp(record.started_at),
        "reason": None,
        "message": None,
        "containerStatuses": [container_status(c, ready[c.name]) for c in record.app],
    }
    if record.init:
        status["initContainerStatuses"] = [container_status(c, c.succeeded) for c in record.init]
    if record.ended and record.ending is not None and record.ending.failed:
        status["reason"], status["message"] = record.ending.reason, record.ending.message
    return status


def container_status(record: ContainerRecord, ready: bool) -> JsonObject:
    """One entry of containerStatuses or initContainerStatuses."""
    status: JsonObject = {
        "name": record.name,
        "image": record.image,
        "imageID": record.image_id,
        "ready": ready,
        "started": isinstance(record.state, Running),
        "restartCount": record.restarts,
        "state": _state(record.state),
        "lastState": _state(record.last) if record.last else {},
    }
    if record.container_id:
        status["containerID"] = record.container_id
    return status


def lost_containers(record: PodRecord, now: datetime) -> None:
    """Mark every container that did not end by itself as lost, as a kubelet does when a pod is over."""
    pod_initialized = any(c.container_id for c in record.app)
    for container in [*record.init, *(record.app if pod_initialized else [])]:
        if not isinstance(container.state, Terminated):
            container.state = Terminated(
                137, "ContainerStatusUnknown", CONTAINER_LOST_MESSAGE, None, now, container.container_id
            )


def _state(state: State) -> JsonObject:
    if isinstance(state, Waiting):
        waiting = {"reason": state.reason}
        return {"waiting": waiting | ({"message": state.message} if state.message else {})}
    if isinstance(state, Running):
        return {"running": {"startedAt": timestamp(state.started_at)}}
    # A kubelet leaves `signal` out: the exit code is 128 + signal.
    terminated: JsonObject = {
        "exitCode": state.exit_code,
        "reason": state.reason,
        "startedAt": timestamp(state.started_at or EPOCH),
        "finishedAt": timestamp(state.finished_at),
        "containerID": state.container_id,
    }
    return {"terminated": terminated | ({"message": state.message} if state.message else {})}


def _conditions(
    pod: Mapping[str, Any], record: PodRecord, phase: str, unready: Sequence[str], now: datetime
) -> list[JsonObject]:
    wanted = [
        _condition("PodReadyToStartContainers", record.volumes_ready and phase in ("Pending", "Running")),
        _initialized(record, phase),
        _ready("Ready", phase, unready),
        _ready("ContainersReady", phase, unready),
    ]
    if record.ended and record.ending is not None and record.ending.condition is not None:
        wanted.append(record.ending.condition)
    previous = {condition["type"]: condition for condition in record.conditions}
    generation = pod["metadata"].get("generation")
    return [_dated(condition, previous.get(condition["type"]), generation, now) for condition in wanted]


def _dated(condition: JsonObject, previous: JsonObject | None, generation: int | None, now: datetime) -> JsonObject:
    unchanged = previous is not None and previous["status"] == condition["status"]
    since = previous["lastTransitionTime"] if unchanged and previous else timestamp(now)
    # Null removes what an earlier status said: the strategic patch merges conditions by type.
    blank = {"reason": None, "message": None, "lastProbeTime": None, "observedGeneration": generation}
    return {**blank, **condition, "lastTransitionTime": since}


def _initialized(record: PodRecord, phase: str) -> JsonObject:
    if phase == "Succeeded":
        return _condition("Initialized", True, "PodCompleted")
    incomplete = [container.name for container in record.init if not container.succeeded]
    if not incomplete:
        return _condition("Initialized", True)
    message = f"containers with incomplete status: [{' '.join(incomplete)}]"
    return _condition("Initialized", False, "ContainersNotInitialized", message)


def _ready(kind: str, phase: str, unready: Sequence[str]) -> JsonObject:
    if phase == "Succeeded":
        return _condition(kind, False, "PodCompleted")
    if phase == "Failed":
        return _condition(kind, False, "PodFailed")
    if not unready:
        return _condition(kind, True)
    return _condition(kind, False, "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]")


def _condition(kind: str, holds: bool, reason: str | None = None, message: str | None = None) -> JsonObject:
    return {"type": kind, "status": "True" if holds else "False", "reason": reason, "message": message}
