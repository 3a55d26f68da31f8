"""One run after another on a real API server: what starts one, what does not, and what stays."""

from __future__ import annotations

import json
import time

from support.team import Team, condition, eventually

QUICK = {"reports": "1", "pause": "0.05"}


def test_a_run_from_apply_to_verdict(team: Team) -> None:
    team.apply("digits", {"reports": "3", "pause": "0.4"})
    told = eventually(lambda: team.status("digits"), lambda s: s.get("progress", {}).get("percent"))
    assert told["phase"] == "Running"
    assert told["evaluation"]["baseline"] == {"cer": "0.71"}

    team.wait("digits", "Succeeded", "True", "GatesPassed")
    status = team.status("digits")
    assert status["phase"] == "Succeeded"
    assert status["evaluation"]["delta"] == {"cer": "-0.67"}
    assert status["evaluation"]["verdict"] == "Passed"
    assert status["artifacts"][0]["digest"].startswith("sha256:")
    assert status["progress"]["display"] == "100%"
    assert status["observedGeneration"] == 1
    assert status["startTime"] <= status["completionTime"]
    (job,) = team.jobs("digits")
    assert status["jobRef"] == {"name": "digits-run-1", "uid": job["metadata"]["uid"]}
    assert "finalizers" not in team.get("digits")["metadata"]
    assert "annotations" not in team.get("digits")["metadata"]
    assert team.events("digits") == ["Accepted", "JobCreated", "TrainingStarted", "BaselineMeasured", "GatesPassed"]


def test_kubectl_reads_well(team: Team) -> None:
    team.apply("digits", QUICK)
    waited = team.cluster.kubectl(
        "wait", "--for=condition=Succeeded", "--timeout=120s", "-n", team.namespace, "vft/digits"
    )
    assert "condition met" in waited.stdout
    table = team.cluster.kubectl("get", "vft", "-n", team.namespace).stdout.splitlines()
    assert table[0].split() == ["NAME", "PHASE", "PROGRESS", "LOSS", "VERDICT", "DRIFT", "AGE"]
    assert table[1].split()[:5] == ["digits", "Succeeded", "100%", "3.000", "Passed"]
    wide = team.cluster.kubectl("get", "vft", "-n", team.namespace, "-o", "wide").stdout.splitlines()
    assert {"MODEL", "QUEUE", "CONCLUSION", "METRIC", "ETA", "RUN"} <= set(wide[0].split())
    assert "cer 0.71 -> 0.04" in wide[1]
    story = team.cluster.kubectl("describe", "vft", "digits", "-n", team.namespace).stdout
    events = [line.split()[1] for line in story[story.index("Events:") :].splitlines()[3:] if line]
    assert events == ["Accepted", "JobCreated", "TrainingStarted", "BaselineMeasured", "GatesPassed"]


def test_the_strictest_namespace_takes_the_pod(team: Team) -> None:
    label = "pod-security.kubernetes.io/enforce=restricted"
    team.cluster.kubectl("label", "namespace", team.namespace, label, check=True)
    team.apply("digits", QUICK)
    team.wait("digits", "Succeeded", "True")


def test_missed_gates_are_a_result_and_not_a_crash(team: Team) -> None:
    team.apply("digits", {**QUICK, "cer": "0.2"})
    said = team.wait("digits", "Succeeded", "False", "GateNotMet")
    assert "cer 0.2 (misses cer <= 0.05)" in said["message"]
    (pod,) = team.pods("digits")
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 0
    assert "adapter" in team.status("digits")["artifacts"][0]["kind"]
    assert condition(team.status("digits"), "ArtifactReady")["status"] == "True"


def test_what_judging_says_reaches_status_and_events(team: Team) -> None:
    interval = {"low": "-0.70", "high": "-0.61"}
    sentence = "Tuning lowered the character error rate from 0.71 to 0.04 on 200 rows"
    judged = {
        "intervals": {"delta": {"cer": interval}},
        "conclusion": "Better",
        "summary": f"{sentence}; every gate holds.",
        "vision": {"reliance": {"baseline": {"cer": "0.3"}, "tuned": {"cer": "0.1"}}},
        "warnings": [{"reason": "VisionReliance", "message": "It looks less at its pictures."}],
    }
    gates = ["cer < baseline", "cer <= 0.01"]
    team.apply("digits", {**QUICK, "judged": json.dumps(judged)}, evaluation={"gates": gates})
    said = team.wait("digits", "Succeeded", "False", "GateNotMet")
    assert "cer changed by -0.70 to -0.61 with 95 % confidence (meets cer < baseline)" in said["message"]
    assert f"{sentence}." in said["message"]
    found = team.status("digits")["evaluation"]
    assert found["summary"] == f"{sentence}; a gate is not met: cer is 0.04, the gate is cer <= 0.01."
    assert (found["verdict"], found["conclusion"]) == ("Failed", "Better")
    assert {name: found[name] for name in ("intervals", "vision", "warnings")} == {
        name: judged[name] for name in ("intervals", "vision", "warnings")
    }
    assert {"VisionReliance", "GateNotMet"} <= set(team.events("digits"))

    team.patch("digits", {"spec": {"evaluation": {"gates": gates[:1]}}})
    team.wait("digits", "Succeeded", "True", "GatesPassed")
    assert team.status("digits")["evaluation"]["summary"] == judged["summary"]
    assert team.status("digits")["run"] == 1


def test_an_image_that_tells_nothing_has_no_result(team: Team) -> None:
    team.apply("digits", {**QUICK, "silent": "1"})
    team.wait("digits", "Succeeded", "False", "ResultMissing")


def test_a_changed_spec_starts_the_next_run_and_the_artifacts_stay(team: Team) -> None:
    team.apply("digits", QUICK)
    team.wait("digits", "Succeeded", "True")
    team.patch("digits", {"spec": {"training": {"seed": 7}}})
    eventually(lambda: team.status("digits"), lambda s: s["run"] == 2)
    team.wait("digits", "Succeeded", "True")
    status = team.status("digits")
    assert [(entry["run"], entry["outcome"]) for entry in status["history"]] == [(2, "Succeeded"), (1, "Succeeded")]
    eventually(lambda: [job["metadata"]["name"] for job in team.jobs("digits")], lambda n: n == ["digits-run-2"])
    assert team.folder("digits", 1).is_dir()
    assert team.folder("digits", 2).is_dir()
    assert team.events("digits").count("SpecChanged") == 1

    team.patch("digits", {"spec": {"runPolicy": {"rerun": "once more"}}})
    eventually(lambda: team.status("digits"), lambda s: s["run"] == 3)


def test_a_change_on_the_way_ends_the_old_job(team: Team) -> None:
    team.apply("digits", {"hold": "1"})
    old = team.wait_running("digits")
    team.patch("digits", {"spec": {"training": {"seed": 7}}})
    eventually(lambda: team.status("digits"), lambda s: s["run"] == 2)
    eventually(
        lambda: [pod["metadata"]["uid"] for pod in team.pods("digits")], lambda uids: old["metadata"]["uid"] not in uids
    )
    assert (team.folder("digits", 1) / "checkpoint").exists()
    assert team.status("digits")["history"][0]["outcome"] == "Replaced"
    team.release("digits", 2)
    team.wait("digits", "Succeeded", "True")


def test_what_training_does_not_depend_on_changes_nothing(team: Team) -> None:
    team.apply("digits", {"hold": "1"})
    pod = team.wait_running("digits")
    (job,) = team.jobs("digits")
    team.patch("digits", {"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}})
    team.patch("digits", {"spec": {"runPolicy": {"jobTTL": "1h", "activeDeadline": "2h", "backoffLimit": 5}}})
    eventually(lambda: team.jobs("digits")[0]["spec"], lambda spec: spec.get("activeDeadlineSeconds") == 7200)
    assert team.jobs("digits")[0]["spec"]["backoffLimit"] == 5
    team.release("digits")
    team.wait("digits", "Succeeded", "True")
    assert team.status("digits")["observedGeneration"] == 2
    assert [p["metadata"]["uid"] for p in team.pods("digits")] == [pod["metadata"]["uid"]]
    assert team.jobs("digits")[0]["metadata"]["uid"] == job["metadata"]["uid"]
    assert "c" not in team.jobs("digits")[0]["metadata"].get("annotations", {})


def test_an_expired_job_does_not_train_again(team: Team) -> None:
    team.apply("expires", QUICK, runPolicy={"jobTTL": "1s"})
    team.apply("removed", QUICK)
    team.wait("expires", "Succeeded", "True")
    team.wait("removed", "Succeeded", "True")
    before = {name: team.status(name) for name in ("expires", "removed")}
    team.delete_job("removed-run-1")
    for name in before:
        eventually(lambda name=name: team.jobs(name) + team.pods(name), lambda found: not found)  # type: ignore[misc]
    time.sleep(4)  # more than one resync
    for name, status in before.items():
        assert team.jobs(name) == []
        assert team.status(name) == status


def test_an_unfinished_job_that_was_deleted_goes_on_as_the_same_run(team: Team) -> None:
    team.apply("digits", {"hold": "1"})
    team.wait_running("digits")
    (job,) = team.jobs("digits")
    team.delete_job("digits-run-1")
    eventually(lambda: team.status("digits").get("jobRef", {}).get("uid"), lambda uid: uid != job["metadata"]["uid"])
    team.wait_running("digits")
    team.release("digits")
    team.wait("digits", "Succeeded", "True")
    assert team.status("digits")["run"] == 1
    assert (team.folder("digits") / "checkpoint").exists()
    assert "JobRecreated" in team.events("digits")


def test_a_deleted_resource_takes_its_children_along(team: Team) -> None:
    team.apply("digits", {"hold": "1"})
    team.wait_running("digits")
    assert team.config_maps("digits") == ["digits-run-1"]
    team.delete("digits")
    eventually(
        lambda: (team.jobs("digits"), team.pods("digits"), team.config_maps("digits")), lambda found: not any(found)
    )


def test_history_keeps_five_runs(team: Team) -> None:
    team.apply("digits", QUICK)
    for run in range(1, 7):
        eventually(lambda run=run: team.status("digits"), lambda s, run=run: s.get("run") == run)  # type: ignore[misc]
        team.wait("digits", "Succeeded", "True")
        team.patch("digits", {"spec": {"runPolicy": {"rerun": str(run)}}})
    eventually(lambda: team.status("digits"), lambda s: s["run"] == 7)
    team.wait("digits", "Succeeded", "True")
    assert [entry["run"] for entry in team.status("digits")["history"]] == [7, 6, 5, 4, 3]


def test_a_missing_claim_is_waited_for(new_team) -> None:  # type: ignore[no-untyped-def]
    team: Team = new_team(claims=("out",))
    team.apply("digits", QUICK)
    said = team.wait("digits", "Accepted", "False", "ClaimNotFound")
    assert "data" in said["message"]
    team.claim("data")
    team.wait("digits", "Succeeded", "True")
    assert team.events("digits")[:2] == ["Refused", "Accepted"]


def test_what_nothing_honours_yet_is_refused_by_name(team: Team) -> None:
    team.apply("digits", QUICK, queue={"name": "gpus"}, drift={"schedule": "0 3 * * *"})
    said = team.wait("digits", "Accepted", "False", "NotSupported")
    assert "spec.queue" in said["message"]
    assert "spec.drift" in said["message"]
    assert team.jobs("digits") == []
    assert team.status("digits")["phase"] == "Refused"
    refused = team.cluster.kubectl("get", "vft", "digits", "-n", team.namespace).stdout
    assert "Refused" in refused
