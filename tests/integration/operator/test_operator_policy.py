"""runPolicy: held, resumed, out of time."""

from __future__ import annotations

import time

from support.team import Team, eventually


def test_suspended_from_the_start_there_is_no_job_until_it_is_resumed(team: Team) -> None:
    team.apply("digits", {"reports": "1", "pause": "0.05"}, runPolicy={"suspend": True})
    team.wait("digits", "Suspended", "True", "SuspendedByUser")
    assert team.status("digits")["phase"] == "Suspended"
    time.sleep(1)
    assert team.jobs("digits") == []
    team.patch("digits", {"spec": {"runPolicy": {"suspend": False}}})
    team.wait("digits", "Succeeded", "True")
    assert team.events("digits")[:4] == ["Accepted", "Suspended", "Resumed", "JobCreated"]


def test_suspended_on_the_way_it_saves_a_checkpoint_and_goes_on_from_there(team: Team) -> None:
    team.apply("digits", {"hold": "1"}, runPolicy={"backoffLimit": 0})
    team.wait_running("digits")
    eventually(lambda: team.status("digits").get("progress", {}), lambda p: p.get("percent", 0) > 0)
    team.patch("digits", {"spec": {"runPolicy": {"suspend": True}}})
    team.wait("digits", "Suspended", "True", "SuspendedByUser")
    eventually(lambda: team.pods("digits"), lambda pods: not pods)
    assert team.status("digits")["progress"]["percent"] > 0
    assert team.status("digits")["phase"] == "Suspended"
    assert (team.folder("digits") / "checkpoint").exists()

    team.patch("digits", {"spec": {"runPolicy": {"suspend": False}}})
    team.wait_running("digits")
    team.release("digits")
    team.wait("digits", "Succeeded", "True")
    assert team.status("digits")["run"] == 1
    assert (team.folder("digits") / "attempts").read_text() == "2"
    assert {"Suspended", "Resumed", "TrainingResumed"} <= set(team.events("digits"))


def test_a_run_that_takes_too_long_is_stopped(team: Team) -> None:
    team.apply("digits", {"hold": "1"}, runPolicy={"activeDeadline": "3s"})
    said = team.wait("digits", "Succeeded", "False", "DeadlineExceeded")
    assert "spec.runPolicy.activeDeadline (3s)" in said["message"]
    assert (team.folder("digits") / "checkpoint").exists()
    time.sleep(1)
    assert [pod for pod in team.pods("digits") if pod["status"]["phase"] == "Running"] == []


def test_a_run_that_never_starts_in_time_gives_up(team: Team) -> None:
    team.apply(
        "digits", resources={"gpus": 1, "gpuResourceName": "example.com/gpu"}, runPolicy={"pendingDeadline": "3s"}
    )
    said = team.wait("digits", "Succeeded", "False", "PendingDeadlineExceeded")
    assert "Insufficient example.com/gpu" in said["message"]
    eventually(lambda: team.jobs("digits") + team.pods("digits"), lambda found: not found)
    time.sleep(4)  # more than one resync
    assert team.jobs("digits") == []
    assert team.status("digits")["phase"] == "Failed"

    team.patch("digits", {"spec": {"resources": {"gpus": 0}, "runPolicy": {"rerun": "on CPU"}}})
    team.wait("digits", "Succeeded", "True")
    assert team.status("digits")["run"] == 2
