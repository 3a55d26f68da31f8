"""What can go wrong with a pod: each fault gives a condition, a reason and a sentence with the mend.

Kubernetes waits 10 s before it replaces a failed pod, so all resources of this file are applied at once and looked at
afterwards.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.operator import OperatorProcess
from support.team import SCRIPTED_IMAGE, Team, condition, eventually

ONE_GPU = {"gpus": 1}
RARE_GPU = {"gpus": 1, "gpuResourceName": "example.com/gpu"}


@pytest.fixture(scope="module")
def faults(operator_cluster, operator: OperatorProcess) -> Team:  # type: ignore[no-untyped-def]
    team = Team.create(operator_cluster, "team-faults")
    team.apply("killed", {"failures": "137"})
    team.apply("oom", {"hold": "1"})
    team.apply("evicted", {"hold": "1"}, runPolicy={"backoffLimit": 0})
    team.apply("drained", {"hold": "1"}, runPolicy={"backoffLimit": 0})
    team.apply(
        "dataset", {"failures": "11,11", "message": "train.jsonl, row 17: image cat.png does not exist. Add it."}
    )
    team.apply("crash", {"exit": "1", "pause": "0.01"}, runPolicy={"backoffLimit": 1})
    team.apply("greedy", resources=RARE_GPU)
    team.apply("typo", podTemplate={"image": "no/such-image:1"})
    team.apply(
        "gated",
        model={"uri": None, "name": "example/gated", "secretRef": {"name": "hf"}},
        podTemplate={"image": SCRIPTED_IMAGE},
    )
    for name in ("oom", "evicted", "drained"):
        pod = team.wait_running(name)["metadata"]["name"]
        {"oom": team.cluster.node.oom, "evicted": team.cluster.node.evict, "drained": team.cluster.node.drain}[name](
            team.namespace, pod
        )
    return team


def failure(team: Team, name: str) -> dict[str, object]:
    """Wait for the last failure of a resource."""
    return eventually(lambda: team.status(name).get("lastFailure", {}), bool)


def test_a_killed_pod_is_told_and_tried_again(faults: Team) -> None:
    told = failure(faults, "killed")
    assert (told["reason"], told["exitCode"]) == ("Killed", 137)
    assert "spec.resources.memory" in str(told["message"])
    faults.wait("killed", "Succeeded", "True")
    assert faults.status("killed")["lastFailure"]["exitCode"] == 137
    assert "PodReplaced" in faults.events("killed")


def test_a_pod_out_of_memory_says_which_memory(faults: Team) -> None:
    told = failure(faults, "oom")
    assert (told["reason"], told["exitCode"]) == ("OutOfMemory", 137)
    assert "OOMKilled" in str(told["message"])
    assert "spec.resources.memory" in str(told["message"])
    faults.release("oom")
    faults.wait("oom", "Succeeded", "True")


@pytest.mark.parametrize("name", ["evicted", "drained"])
def test_an_evicted_pod_is_replaced_without_backoff_and_resumes(faults: Team, name: str) -> None:
    told = failure(faults, name)
    assert told["reason"] == "Evicted"
    assert "resumes from its last checkpoint" in str(told["message"])
    faults.wait_running(name)
    assert (faults.folder(name) / "checkpoint").exists()
    faults.release(name)
    faults.wait(name, "Succeeded", "True")
    (job,) = faults.jobs(name)
    assert job["spec"]["backoffLimit"] == 0  # a failure that counted would have ended the run
    assert faults.status(name)["run"] == 1
    assert {"PodReplaced", "TrainingResumed"} <= set(faults.events(name))


def test_a_bad_dataset_fails_at_once_and_names_file_and_row(faults: Team) -> None:
    said = faults.wait("dataset", "Succeeded", "False", "BadDataset")
    assert said["message"].startswith("train.jsonl, row 17: image cat.png does not exist. Add it.")
    assert len(faults.pods("dataset")) == 1
    assert faults.status("dataset")["lastFailure"]["exitCode"] == 11
    assert faults.status("dataset")["phase"] == "Failed"
    assert faults.events("dataset")[-1] == "Failed"
    assert "PodReplaced" not in faults.events("dataset")


def test_a_crash_is_tried_again_until_the_backoff_is_spent(faults: Team) -> None:
    said = faults.wait("crash", "Succeeded", "False", "TrainerError")
    assert "backoffLimit (1)" in said["message"]
    assert len(faults.pods("crash")) == 2


def test_a_gpu_that_no_node_has_is_waited_for_and_the_scheduler_quoted(faults: Team) -> None:
    said = faults.wait("greedy", "Queued", "True", "Unschedulable")
    assert "Insufficient example.com/gpu" in said["message"]
    assert "spec.resources" in said["message"]
    assert faults.status("greedy")["phase"] == "Queued"
    assert "PodUnschedulable" in faults.events("greedy")


def test_an_image_that_does_not_exist_is_named(faults: Team) -> None:
    said = faults.wait("typo", "Queued", "True", "ImagePullFailed")
    assert "no/such-image:1" in said["message"]
    assert "spec.podTemplate.image" in said["message"]


def test_a_missing_secret_is_named(faults: Team) -> None:
    said = faults.wait("gated", "Queued", "True", "ContainerCreateFailed")
    assert 'secret "hf" not found' in said["message"]


def test_an_unschedulable_run_starts_by_itself_when_there_is_room(team: Team) -> None:
    team.cluster.node.set_gpus(0)
    try:
        team.apply("digits", {"reports": "1", "pause": "0.05"}, resources={"gpus": 1})
        team.wait("digits", "Queued", "True", "Unschedulable")
    finally:
        team.cluster.node.set_gpus(4)
    team.wait("digits", "Succeeded", "True")


def test_a_quota_on_pods_is_told(team: Team) -> None:
    team.quota(pods="0")
    team.apply("digits", {"reports": "1", "pause": "0.05"})
    said = team.wait("digits", "Queued", "True", "CreationRefused")
    assert "exceeded quota" in said["message"]


def test_a_quota_on_jobs_is_told_and_tried_again(team: Team) -> None:
    team.quota(**{"count_jobs.batch": "0"})
    team.apply("digits", {"reports": "1", "pause": "0.05"})
    said = team.wait("digits", "Queued", "True", "CreationRefused")
    assert "exceeded quota" in said["message"]
    assert team.jobs("digits") == []
    team.delete_quota()
    team.wait("digits", "Succeeded", "True")


def test_somebody_elses_configmap_of_that_name_is_told_and_left_as_it_is(team: Team) -> None:
    mine = ("configmap", "digits-run-1", "-n", team.namespace)
    team.cluster.kubectl("create", *mine, "--from-literal=mine=1", check=True)
    before = team.cluster.kubectl("get", *mine, "-o", "json", check=True).stdout
    team.apply("digits", {"reports": "1", "pause": "0.05"})
    said = team.wait("digits", "Queued", "True", "CreationRefused")
    assert "a ConfigMap digits-run-1 that does not belong to this resource is in the way; delete it" in said["message"]
    assert team.cluster.kubectl("get", *mine, "-o", "json", check=True).stdout == before
    assert team.jobs("digits") == []


def test_a_silent_node_is_told_with_what_to_do(team: Team, new_team: Callable[..., Team]) -> None:
    team.apply("digits", {"hold": "1"})
    pod = team.wait_running("digits")
    team.cluster.node.go_silent()
    try:
        said = team.wait("digits", "Running", "Unknown", "NodeLost")
        assert f"kubectl delete node {pod['spec']['nodeName']}" in said["message"]
        assert condition(team.status("digits"), "Succeeded")["status"] == "Unknown"
    finally:
        team.cluster.node.come_back()
    team.release("digits")
    team.wait("digits", "Succeeded", "True")
    assert team.status("digits")["run"] == 1
