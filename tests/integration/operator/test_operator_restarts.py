"""The operator and the API server come and go; the truth stays."""

from __future__ import annotations

import time

from support.operator import OperatorProcess
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
        eventually(
            lambda: (team.jobs("digits"), team.pods("digits"), team.config_maps("digits")), lambda left: not any(left)
        )
    finally:
        operator.start()


def test_an_api_server_that_restarts_changes_nothing(team: Team, operator: OperatorProcess) -> None:
    team.apply("digits", {"hold": "1"})
    team.wait_running("digits")
    before = identity(team)
    team.cluster.restart_apiserver()
    seen = percent(team)
    eventually(lambda: percent(team), lambda p: p > seen, seconds=60)
    assert identity(team) == before
    team.release("digits")
    team.wait("digits", "Succeeded", "True", seconds=60)
    assert identity(team) == before
    assert operator.running
    assert operator.probe("healthz")[0] == 200


def test_sigterm_ends_it_within_the_grace_period(team: Team, operator: OperatorProcess) -> None:
    begin = time.monotonic()
    operator.stop()
    assert time.monotonic() - begin < 10
    operator.start()
    team.apply("digits", {"reports": "1", "pause": "0.05"})
    team.wait("digits", "Succeeded", "True")
