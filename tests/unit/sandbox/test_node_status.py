"""The status of a pod, as kubectl and the Job controller read it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.node.records import ContainerRecord, Ending, PodRecord, Running, State, Terminated, Waiting
from sandbox.node.status import build_status, lost_containers

NOW = datetime(2026, 11, 21, 7, 30, tzinfo=UTC)
POD: dict[str, Any] = {"metadata": {"name": "p", "generation": 2}, "spec": {}}
RUNNING = Running(NOW)
DISRUPTION = {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet", "message": "memory"}


def ended(code: int, reason: str = "Error") -> Terminated:
    return Terminated(code, reason, "", NOW, NOW, "sandbox://x")


def record(*app: State, init: tuple[State, ...] = (), ready: bool = True, **fields: Any) -> PodRecord:
    def containers(prefix: str, states: tuple[State, ...]) -> list[ContainerRecord]:
        return [ContainerRecord(f"{prefix}{index}", "image", state) for index, state in enumerate(states)]

    return PodRecord(containers("i", init), containers("c", app), NOW, volumes_ready=ready, **fields)


def conditions(status: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    return {condition["type"]: (condition["status"], condition["reason"]) for condition in status["conditions"]}


def test_pod_that_waits_for_its_volumes() -> None:
    status = build_status(POD, record(Waiting("ContainerCreating"), ready=False), NOW)
    assert status["phase"] == "Pending"
    assert status["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert status["podIP"] is None
    assert conditions(status) == {
        "PodReadyToStartContainers": ("False", None),
        "Initialized": ("True", None),
        "Ready": ("False", "ContainersNotReady"),
        "ContainersReady": ("False", "ContainersNotReady"),
    }


def test_pod_whose_init_container_runs() -> None:
    status = build_status(POD, record(Waiting("PodInitializing"), init=(RUNNING,)), NOW)
    assert status["phase"] == "Pending"
    assert conditions(status)["Initialized"] == ("False", "ContainersNotInitialized")
    assert status["conditions"][1]["message"] == "containers with incomplete status: [i0]"


def test_running_pod_is_ready() -> None:
    status = build_status(POD, record(RUNNING, init=(ended(0, "Completed"),)), NOW)
    assert status["phase"] == "Running"
    assert conditions(status)["Ready"] == ("True", None)
    assert status["initContainerStatuses"][0]["ready"] is True
    assert status["observedGeneration"] == 2


def test_one_container_ended_and_one_running() -> None:
    status = build_status(POD, record(ended(0, "Completed"), RUNNING), NOW)
    assert status["phase"] == "Running"
    assert status["conditions"][2]["message"] == "containers with unready status: [c0]"


def test_exit_code_is_told_and_the_phase_waits_for_the_end() -> None:
    pod = record(ended(137, "OOMKilled"))
    assert build_status(POD, pod, NOW)["phase"] == "Running"
    pod.ended = True
    status = build_status(POD, pod, NOW)
    assert status["phase"] == "Failed"
    terminated = status["containerStatuses"][0]["state"]["terminated"]
    assert (terminated["exitCode"], terminated["reason"]) == (137, "OOMKilled")
    assert conditions(status)["Ready"] == ("False", "PodFailed")


def test_all_succeeded() -> None:
    status = build_status(POD, record(ended(0), ended(0), ended=True), NOW)
    assert status["phase"] == "Succeeded"
    assert conditions(status)["Ready"] == ("False", "PodCompleted")


def test_eviction_shows_only_when_nothing_runs_any_more() -> None:
    ending = Ending(30, failed=True, reason="Evicted", message="memory", condition=DISRUPTION)
    pod = record(RUNNING, ending=ending)
    status = build_status(POD, pod, NOW)
    assert (status["phase"], status["reason"]) == ("Running", None)
    assert "DisruptionTarget" not in conditions(status)

    pod.app[0].state, pod.ended = ended(0, "Completed"), True
    status = build_status(POD, pod, NOW)
    assert (status["phase"], status["reason"], status["message"]) == ("Failed", "Evicted", "memory")
    assert conditions(status)["DisruptionTarget"] == ("True", "TerminationByKubelet")


def test_deleted_pod_takes_its_phase_from_the_exit_codes() -> None:
    assert build_status(POD, record(ended(143), ending=Ending(5), ended=True), NOW)["phase"] == "Failed"
    assert build_status(POD, record(ended(0), ending=Ending(5), ended=True), NOW)["phase"] == "Succeeded"


def test_crash_loop_keeps_the_last_end() -> None:
    pod = record(Waiting("CrashLoopBackOff", "back-off 10s"))
    pod.app[0].last, pod.app[0].restarts = ended(1), 2
    status = build_status(POD, pod, NOW)
    assert status["phase"] == "Running"
    assert status["containerStatuses"][0]["restartCount"] == 2
    assert status["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 1


def test_transition_time_moves_only_with_the_status() -> None:
    pod = record(Waiting("ContainerCreating"))
    pod.conditions = build_status(POD, pod, NOW)["conditions"]
    pod.app[0].state = RUNNING
    later = build_status(POD, pod, NOW + timedelta(seconds=5))
    times = {condition["type"]: condition["lastTransitionTime"] for condition in later["conditions"]}
    assert times["Initialized"] == "2026-11-21T07:30:00Z"
    assert times["Ready"] == "2026-11-21T07:30:05Z"


def test_lost_containers_count_as_killed_once_the_pod_had_started() -> None:
    pod = record(RUNNING)
    lost_containers(pod, NOW)
    assert pod.app[0].state == RUNNING
    pod.app[0].container_id = "sandbox://x"
    lost_containers(pod, NOW)
    state = pod.app[0].state
    assert isinstance(state, Terminated)
    assert (state.exit_code, state.reason) == (137, "ContainerStatusUnknown")
