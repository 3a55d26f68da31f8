"""What is found in the data reaches status and events; runPolicy.check Before looks before any GPU is asked for."""

from __future__ import annotations

import json
from typing import Any

from support.operator import OperatorProcess
from support.team import Team, condition, eventually

WARNINGS = [
    {"reason": "DuplicateRows", "message": "12 of 900 training rows repeat an earlier row. Take them out."},
    {"reason": "DataLeakage", "message": "3 of 90 validation rows are in the training data too."},
]
DATA: dict[str, Any] = {
    "digest": f"sha256:{'d' * 64}",
    "train": {"rows": 900, "dropped": {"TooLong": 4}, "duplicates": 12, "nearDuplicates": 0, "images": 900},
    "validation": {"rows": 90, "images": 90, "maxTokens": 512},
    "warnings": WARNINGS,
}
ESTIMATE = {"gpuMemory": "12Gi", "gpuHours": "1.5"}
FINDINGS = {"data": json.dumps(DATA), "estimate": json.dumps(ESTIMATE)}
QUICK = {"reports": "1", "pause": "0.05"}
BEFORE = {"check": "Before"}


def release_check(team: Team) -> None:
    """Let a held check of `digits` finish."""
    (team.folder("digits") / "release-check").touch()


def wait_checking(team: Team) -> None:
    """Wait until the check of `digits` has reported."""
    eventually(lambda: team.status("digits"), lambda s: s.get("progress", {}).get("stage") == "preprocess")


def test_findings_and_estimate_are_in_status_and_events_while_it_trains(team: Team) -> None:
    team.apply("digits", {"hold": "1", **FINDINGS})
    team.wait_running("digits")
    status = eventually(lambda: team.status("digits"), lambda s: "data" in s)
    assert (status["data"], status["estimate"]) == (DATA, ESTIMATE)
    team.release("digits")
    team.wait("digits", "Succeeded", "True")
    assert team.status("digits")["data"] == DATA
    events = team.events("digits")
    assert events.count("DuplicateRows") == events.count("DataLeakage") == 1
    story = team.cluster.kubectl("describe", "vft", "digits", "-n", team.namespace).stdout
    state, told = story.split("Events:")
    for line in ("Data:", "Rows:    900", "Too Long:  4", "Gpu Memory:  12Gi", "Reason:   DataLeakage"):
        assert " ".join(line.split()) in " ".join(state.split())
    for warning in WARNINGS:
        assert any(
            line.split()[:2] == ["Warning", warning["reason"]] and warning["message"] in line
            for line in told.splitlines()
        )


def test_findings_survive_a_restart_of_the_operator(team: Team, operator: OperatorProcess) -> None:
    team.apply("digits", {"hold": "1", **FINDINGS})
    team.wait_running("digits")
    eventually(lambda: team.status("digits"), lambda s: "data" in s)
    operator.kill9()
    team.release("digits")
    eventually(lambda: team.jobs("digits")[0].get("status", {}), lambda s: s.get("succeeded") == 1)
    operator.start()
    team.wait("digits", "Succeeded", "True", "GatesPassed")
    status = team.status("digits")
    assert (status["data"], status["estimate"]) == (DATA, ESTIMATE)
    assert team.events("digits").count("DataLeakage") == 1


def test_findings_that_no_report_brought_come_from_the_last_word(team: Team) -> None:
    team.apply("digits", {"reports": "0", **FINDINGS})
    team.wait("digits", "Succeeded", "True")
    status = team.status("digits")
    assert (status["data"], status["estimate"]) == (DATA, ESTIMATE)
    assert set(team.events("digits")) >= {"DuplicateRows", "DataLeakage"}


def test_the_check_comes_first_and_needs_no_gpu(team: Team) -> None:
    """No node of this cluster has such a GPU: the check runs all the same, the training waits for one."""
    gpu = {"gpus": 1, "gpuResourceName": "example.com/gpu"}
    team.apply("digits", {"check_hold": "1", **FINDINGS}, runPolicy=BEFORE, resources=gpu)
    wait_checking(team)
    status = team.status("digits")
    assert condition(status, "DataChecked")["status"] == "Unknown"
    assert condition(status, "Queued")["reason"] == "Checking"
    assert [job["metadata"]["name"] for job in team.jobs("digits")] == ["digits-check-1"]
    assert "jobRef" not in status
    release_check(team)
    team.wait("digits", "DataChecked", "True", "CheckPassed")
    team.wait("digits", "Queued", "True", "Unschedulable")
    assert team.status("digits")["data"] == DATA
    assert sorted(job["metadata"]["name"] for job in team.jobs("digits")) == ["digits-check-1", "digits-run-1"]
    events = team.events("digits")
    assert events[:2] == ["Accepted", "CheckStarted"]
    assert events.index("CheckPassed") < events.index("JobCreated")
    assert events.count("DataLeakage") == 1


def test_a_checked_run_trains_and_is_judged(team: Team) -> None:
    team.apply("digits", {**QUICK, **FINDINGS}, runPolicy={**BEFORE, "jobTTL": "1s"})
    team.wait("digits", "Succeeded", "True", "GatesPassed")
    assert (team.folder("digits") / "checks").read_text() == "1"
    assert (team.folder("digits") / "attempts").read_text() == "1"
    assert team.status("digits")["jobRef"]["name"] == "digits-run-1"
    eventually(lambda: team.jobs("digits"), lambda jobs: not jobs)
    assert (team.folder("digits") / "checks").read_text() == "1"


def test_a_failed_check_fails_the_run_and_nothing_trains(team: Team) -> None:
    script = {"check_exit": "11", "check_message": "train.jsonl row 3 has no picture; add it.", **FINDINGS}
    team.apply("digits", script, runPolicy=BEFORE)
    said = team.wait("digits", "Succeeded", "False", "BadDataset")
    assert "train.jsonl row 3 has no picture; add it." in said["message"]
    status = team.status("digits")
    assert condition(status, "DataChecked")["reason"] == "CheckFailed"
    assert (status["phase"], status["data"]) == ("Failed", DATA)
    assert not (team.folder("digits") / "attempts").exists()
    assert "JobCreated" not in team.events("digits")
    team.delete_job("digits-check-1")
    eventually(lambda: team.jobs("digits"), lambda jobs: not jobs)
    assert (team.folder("digits") / "checks").read_text() == "1"


def test_a_check_that_is_deleted_never_checks_a_run_that_trains(team: Team, operator: OperatorProcess) -> None:
    team.apply("digits", {"hold": "1"}, runPolicy=BEFORE)
    team.wait_running("digits")
    team.delete_job("digits-check-1")
    team.delete_job("digits-run-1")
    operator.kill9()
    operator.start()
    eventually(lambda: team.events("digits"), lambda events: "JobRecreated" in events)
    team.wait_running("digits")
    team.release("digits")
    team.wait("digits", "Succeeded", "True")
    assert (team.folder("digits") / "checks").read_text() == "1"


def test_an_operator_that_dies_while_it_is_checked_goes_on(team: Team, operator: OperatorProcess) -> None:
    team.apply("digits", {**QUICK, "check_hold": "1"}, runPolicy=BEFORE)
    wait_checking(team)
    operator.kill9()
    release_check(team)
    eventually(lambda: team.jobs("digits")[0].get("status", {}), lambda s: s.get("succeeded") == 1)
    operator.start()
    team.wait("digits", "Succeeded", "True", "GatesPassed")
    assert (team.folder("digits") / "checks").read_text() == "1"
    assert (team.folder("digits") / "attempts").read_text() == "1"


def test_a_check_can_be_held(team: Team) -> None:
    team.apply("digits", {**QUICK, "check_hold": "1"}, runPolicy=BEFORE)
    wait_checking(team)
    team.patch("digits", {"spec": {"runPolicy": {"suspend": True}}})
    team.wait("digits", "Suspended", "True")
    eventually(lambda: team.pods("digits"), lambda pods: not pods)
    release_check(team)
    team.patch("digits", {"spec": {"runPolicy": {"suspend": False}}})
    team.wait("digits", "Succeeded", "True", "GatesPassed")
