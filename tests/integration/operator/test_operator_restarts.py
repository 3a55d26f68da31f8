"""The operator and the API server come and go; the truth stays."""

from __future__ import annotations

import time
from collections.abc import Callable

from sandbox.cluster import Cluster
from support.operator import NAMESPACE, OperatorProcess
from support.team import Team, eventually


def percent(team: Team) -> int:
    """Progress of the resource `digits`."""
    found: int = team.status("digits").get("progress", {}).get("percent", 0)
    return found


def identity(team: Team) -> tuple[str, list[str]]:
    """Uids of the Job and the pods of `digits`."""
    (job,) = team.jobs("digits")
    return job["metadata"]["uid"], [pod["metadata"]["uid"] for pod in team.pods("digits")]


def test_an_operator_that_was_killed_goes_on_where_it_was(team: Team, operator: OperatorProcess) -> None:
    team.apply("digits", {"hold": "1"})
    team.wait_running("digits")
    eventually(lambda: percent(team), lambda p: p > 2)
    before = identity(team)
    operator.kill9()
    seen = percent(team)
    time.sleep(1)
    operator.start()
    eventually(lambda: percent(team), lambda p: p > seen)
    assert identity(team) == before
    team.release("digits")
    team.wait("digits", "Succeeded", "True", "GatesPassed")
    assert identity(team) == before
    events = team.events("digits")
    assert len(events) == len(set(events)), events


def test_a_run_that_ended_while_the_operator_was_down_is_judged_afterwards(
    team: Team, operator: OperatorProcess
) -> None:
    team.apply("digits", {"hold": "1"}, runPolicy={"jobTTL": "0s"})
    team.wait_running("digits")
    operator.kill9()
    team.release("digits")
    eventually(lambda: team.jobs("digits")[0].get("status", {}), lambda s: s.get("succeeded") == 1)
    operator.start()
    team.wait("digits", "Succeeded", "True", "GatesPassed")
    assert team.status("digits")["evaluation"]["tuned"] == {"cer": "0.04"}
    eventually(lambda: team.jobs("digits"), lambda jobs: not jobs)
    assert team.status("digits")["run"] == 1


def test_a_resource_deleted_while_the_operator_is_down_takes_its_children_along(
    team: Team, operator: OperatorProcess
) -> None:
    team.apply("digits", {"hold": "1"})
    team.wait_running("digits")
    operator.kill9()
    try:
        team.delete("digits")
        # Garbage collection looks for new kinds, such as ours, only every half minute.
        eventually(
            lambda: (team.jobs("digits"), team.pods("digits"), team.config_maps("digits")),
            lambda left: not any(left),
        )
    finally:
        operator.start()


def test_an_api_server_that_restarts_changes_nothing(team: Team, operator: OperatorProcess) -> None:
    team.apply("digits", {"hold": "1"})
    team.wait_running("digits")
    before = identity(team)
    team.cluster.restart_apiserver()
    seen = percent(team)
    eventually(lambda: percent(team), lambda p: p > seen)
    assert identity(team) == before
    team.release("digits")
    team.wait("digits", "Succeeded", "True")
    assert identity(team) == before
    assert operator.running
    assert operator.probe("healthz")[0] == 200


def test_an_operator_that_is_killed_again_and_again_does_everything_once(team: Team, operator: OperatorProcess) -> None:
    names = [f"digits-{number}" for number in range(6)]
    for name in names:
        team.apply(name, {"reports": "4", "pause": "0.5"})
        if name != names[-1]:
            operator.kill9()
            operator.start(wait=False)
            time.sleep(0.9)  # it is then somewhere between its first listing and its first writes
    operator.wait_ready()
    for name in names:
        team.wait(name, "Succeeded", "True", "GatesPassed")
        assert (team.folder(name) / "attempts").read_text() == "1"
        assert len(team.pods(name)) == 1
        events = team.events(name)
        assert events.count("JobCreated") == 1
        assert events.count("GatesPassed") == 1


def test_it_can_be_kept_to_one_namespace(
    new_team: Callable[..., Team], operator: OperatorProcess, operator_cluster: Cluster
) -> None:
    inside, outside = new_team(), new_team()
    bind = ("create", "--save-config=false")
    account = f"--serviceaccount={NAMESPACE}:narrow"
    kubectl = operator_cluster.kubectl
    kubectl("create", "serviceaccount", "narrow", "-n", NAMESPACE, check=True)
    kubectl(
        *bind, "rolebinding", "narrow", "--clusterrole=visionft-operator", account, "-n", inside.namespace, check=True
    )
    kubectl(*bind, "rolebinding", "narrow", "--role=visionft-operator", account, "-n", NAMESPACE, check=True)
    reviewer = "--clusterrole=visionft-operator-token-reviewer"
    kubectl(*bind, "clusterrolebinding", "narrow", reviewer, account, check=True)
    narrow = OperatorProcess(operator_cluster, "narrow", watch_namespace=inside.namespace, status_interval_seconds="1")
    operator.stop()
    try:
        narrow.start()
        outside.apply("digits", {"reports": "1", "pause": "0.05"})
        inside.apply("digits", {"reports": "1", "pause": "0.05"})
        inside.wait("digits", "Succeeded", "True")
        assert outside.status("digits") == {}
    finally:
        narrow.stop()
        operator.start()
    outside.wait("digits", "Succeeded", "True")


def test_an_operator_that_cannot_start_ends_and_says_why(operator: OperatorProcess, operator_cluster: Cluster) -> None:
    taken = f"127.0.0.1:{operator.metrics_port}"
    second = OperatorProcess(operator_cluster, metrics_bind=taken)
    second.start(wait=False)
    eventually(lambda: second.running, lambda running: not running)
    assert any("address already in use" in line.get("exception", "") for line in second.log_lines())


def test_sigterm_ends_it_within_the_grace_period(team: Team, operator: OperatorProcess) -> None:
    begin = time.monotonic()
    operator.stop()
    assert time.monotonic() - begin < 10
    operator.start()
    team.apply("digits", {"reports": "1", "pause": "0.05"})
    team.wait("digits", "Succeeded", "True")
