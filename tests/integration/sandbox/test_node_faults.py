"""Faults injected through the node look as they do on a real cluster."""

from typing import Any

import pytest
from sandbox.cluster import Cluster
from sandbox.node.control import NodeControlError
from support.pods import (
    JsonObject,
    PodClient,
    condition,
    eventually,
    pod_spec,
    shell,
    state,
    terminated,
    waiting_reason,
)

IGNORE_DISRUPTIONS = {
    "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
}


async def run_job(pods: PodClient, name: str, container: JsonObject, **spec: Any) -> None:
    """A Job as the operator makes them, that may not fail at all: backoffLimit 0."""
    template = {"spec": pod_spec(container)}
    body = {
        "metadata": {"name": name},
        "spec": {
            "backoffLimit": 0,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": IGNORE_DISRUPTIONS,
            "template": template,
            **spec,
        },
    }
    await pods.create("jobs", body, group="batch/v1")


async def until_running_pod(pods: PodClient, job: str, besides: str = "") -> JsonObject:
    async def running() -> list[JsonObject]:
        found = await pods.pods(f"job-name={job}")
        return [pod for pod in found if pod["status"]["phase"] == "Running" and pod["metadata"]["name"] != besides]

    return (await eventually(running, bool))[0]


def failed_count(job: JsonObject) -> int:
    """Failures that the Job's backoffLimit counts."""
    return int(job["status"].get("failed", 0))


async def test_killed(pods: PodClient, cluster: Cluster) -> None:
    await pods.run("victim", shell("sleep 60"))
    await pods.until_phase("victim", "Running")
    cluster.node.kill(pods.namespace, "victim")
    end = terminated(await pods.until_phase("victim", "Failed"))
    assert (end["exitCode"], end["reason"]) == (137, "Error")


async def test_out_of_memory(pods: PodClient, cluster: Cluster) -> None:
    await pods.run("victim", shell("sleep 60"))
    await pods.until_phase("victim", "Running")
    cluster.node.oom(pods.namespace, "victim")
    end = terminated(await pods.until_phase("victim", "Failed"))
    assert (end["exitCode"], end["reason"]) == (137, "OOMKilled")


async def test_fault_on_a_pod_that_does_not_run_is_refused(pods: PodClient, cluster: Cluster) -> None:
    with pytest.raises(NodeControlError, match="is not on this node"):
        cluster.node.kill(pods.namespace, "nobody")
    await pods.run("done", shell("true"))
    await pods.until_phase("done", "Succeeded")
    with pytest.raises(NodeControlError, match="is not running"):
        cluster.node.oom(pods.namespace, "done")


async def test_evicted_pod_of_a_job_is_replaced_and_costs_no_retry(pods: PodClient, cluster: Cluster) -> None:
    await run_job(pods, "train", shell("trap 'echo checkpoint; exit 143' TERM; sleep 60 & wait"))
    pod = await until_running_pod(pods, "train")
    name = pod["metadata"]["name"]
    cluster.node.evict(pods.namespace, name)
    evicted = await pods.until_phase(name, "Failed")
    assert evicted["status"]["reason"] == "Evicted"
    assert "low on resource: memory" in evicted["status"]["message"]
    assert condition(evicted, "DisruptionTarget")["reason"] == "TerminationByKubelet"
    assert terminated(evicted)["exitCode"] == 143
    assert cluster.kubectl("logs", "-n", pods.namespace, name).stdout == "checkpoint\n"
    await until_running_pod(pods, "train", besides=name)
    job = await pods.get("train", "jobs", "batch/v1")
    assert failed_count(job) == 0
    assert not any(entry["type"] == "Failed" for entry in job["status"].get("conditions", []))


async def test_drained_pod_of_a_job_is_replaced(pods: PodClient, cluster: Cluster) -> None:
    await run_job(pods, "train", shell("sleep 60"))
    name = (await until_running_pod(pods, "train"))["metadata"]["name"]
    cluster.node.drain(pods.namespace, name)
    await pods.until_gone(name)
    await until_running_pod(pods, "train", besides=name)
    assert failed_count(await pods.get("train", "jobs", "batch/v1")) == 0


async def test_job_whose_pod_fails_by_itself_fails(pods: PodClient) -> None:
    """The other side of the eviction test: without a disruption the one failure counts."""
    await run_job(pods, "train", shell("exit 1"))
    await eventually(lambda: pods.get("train", "jobs", "batch/v1"), failed_count)


async def test_unknown_image_and_its_mend(pods: PodClient, cluster: Cluster) -> None:
    image = f"{pods.namespace}/trainer:2"
    await pods.run("pull", shell("true", image=image))
    pod = await pods.until("pull", lambda pod: waiting_reason(pod) == "ErrImagePull")
    assert f'failed to resolve reference "{image}"' in state(pod)["waiting"]["message"]
    pod = await pods.until("pull", lambda pod: waiting_reason(pod) == "ImagePullBackOff")
    assert state(pod)["waiting"]["message"].startswith(f'Back-off pulling image "{image}"')
    assert pod["status"]["phase"] == "Pending"
    assert {"Pulling", "Failed", "BackOff"} <= {reason for reason, _ in await pods.events("pull")}
    cluster.node.add_image(image)
    pod = await pods.until_phase("pull", "Succeeded")
    assert pod["status"]["containerStatuses"][0]["imageID"].startswith(f"{pods.namespace}/trainer@sha256:")
    cluster.node.remove_image(image)


async def test_image_with_a_command_of_its_own(pods: PodClient, cluster: Cluster) -> None:
    image = f"{pods.namespace}/wrapped"
    cluster.node.add_image(image, argv_prefix=["echo", "wrapped"])
    await pods.run("wrapped", {"name": "main", "image": image, "command": ["visionft-trainer"], "args": ["run"]})
    await pods.until_phase("wrapped", "Succeeded")
    assert cluster.kubectl("logs", "-n", pods.namespace, "wrapped").stdout == "wrapped visionft-trainer run\n"
    cluster.node.remove_image(image)


async def test_no_gpu_left(pods: PodClient, cluster: Cluster) -> None:
    resources = {"limits": {"nvidia.com/gpu": "1"}}
    cluster.node.set_gpus(0)
    try:
        await pods.run("gpu", shell("true", resources=resources))
        pod = await pods.until("gpu", lambda pod: condition(pod, "PodScheduled").get("status") == "False")
        assert condition(pod, "PodScheduled")["reason"] == "Unschedulable"
        assert "Insufficient nvidia.com/gpu" in condition(pod, "PodScheduled")["message"]
    finally:
        cluster.node.set_gpus(4)
    await pods.until_phase("gpu", "Succeeded")


async def test_short_silence_costs_a_pod_nothing(pods: PodClient, cluster: Cluster) -> None:
    await pods.run("patient", shell("sleep 300"))
    pod = await pods.until_phase("patient", "Running")
    cluster.node.go_silent()
    try:
        await pods.until("patient", lambda pod: condition(pod, "Ready")["status"] == "False")
        with pytest.raises(NodeControlError, match="silent"):
            cluster.node.drain(pods.namespace, "patient")
    finally:
        cluster.node.come_back()
    after = await pods.until("patient", lambda pod: condition(pod, "Ready")["status"] == "True")
    assert after["metadata"]["uid"] == pod["metadata"]["uid"]
    assert "deletionTimestamp" not in after["metadata"]


async def test_silent_node_is_noticed_and_its_pods_are_taken_away(pods: PodClient, cluster: Cluster) -> None:
    await run_job(pods, "train", shell("sleep 300"))
    pod = await until_running_pod(pods, "train")
    name = pod["metadata"]["name"]

    async def node() -> JsonObject:
        return await pods.api.get(f"/api/v1/nodes/{pod['spec']['nodeName']}")

    cluster.node.go_silent()
    try:
        await eventually(node, lambda node: condition(node, "Ready")["status"] == "Unknown")
        pod = await pods.until(name, lambda pod: "deletionTimestamp" in pod["metadata"])
        assert condition(pod, "Ready")["status"] == "False"
        assert condition(pod, "DisruptionTarget")["reason"] == "DeletionByTaintManager"
        assert cluster.node.processes(pods.namespace, name), "a node that nobody hears goes on working"
    finally:
        cluster.node.come_back()
    await pods.until_gone(name)
    await eventually(node, lambda node: condition(node, "Ready")["status"] == "True")
    await until_running_pod(pods, "train", besides=name)
    assert failed_count(await pods.get("train", "jobs", "batch/v1")) == 0
