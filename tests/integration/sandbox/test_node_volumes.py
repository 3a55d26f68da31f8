"""Volumes: from the API server, from claims, from the pod itself."""

import base64
import json
from typing import Any

import pytest
from sandbox.cluster import Cluster
from support.pods import PodClient, shell, terminated, waiting_reason


def mounted(script: str, path: str = "/vol", **mount: Any) -> dict[str, Any]:
    """A container with one volume at `path`, which it knows as $DIR."""
    mounts = [{"name": "vol", "mountPath": path, **mount}]
    return shell(
        script,
        volumeMounts=mounts,
        env=[{"name": "DIR", "value": path}, {"name": "END", "value": "/dev/termination-log"}],
    )


async def test_config_map_and_secret_files(pods: PodClient) -> None:
    await pods.create("configmaps", {"metadata": {"name": "run"}, "data": {"run.json": "{}", "other": "x"}})
    await pods.create("secrets", {"metadata": {"name": "hub"}, "stringData": {"token": "hf_x"}})
    volume = {
        "name": "vol",
        "projected": {
            "sources": [
                {"configMap": {"name": "run", "items": [{"key": "run.json", "path": "cfg/run.json"}]}},
                {"secret": {"name": "hub"}},
                {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
            ]
        },
    }
    script = 'cd $DIR; printf "%s %s %s %s" "$(ls | xargs)" $(cat cfg/run.json) $(cat token) $(cat name) > $END'
    await pods.run("files", mounted(script), volumes=[volume])
    assert terminated(await pods.until_phase("files", "Succeeded"))["message"] == "cfg name token {} hf_x files"


async def test_config_map_that_changes_reaches_the_running_pod(pods: PodClient) -> None:
    await pods.create("configmaps", {"metadata": {"name": "run"}, "data": {"key": "old"}})
    script = "until grep -q new $DIR/key; do sleep 0.1; done"
    await pods.run("fresh", mounted(script), volumes=[{"name": "vol", "configMap": {"name": "run"}}])
    await pods.until_phase("fresh", "Running")
    await pods.api.patch(pods.path("configmaps", "run"), {"data": {"key": "new"}})
    await pods.until_phase("fresh", "Succeeded")


async def test_missing_config_map_is_told_and_mended(pods: PodClient) -> None:
    await pods.run("stuck", mounted("cat $DIR/key"), volumes=[{"name": "vol", "configMap": {"name": "run"}}])
    await pods.until("stuck", lambda pod: waiting_reason(pod) == "ContainerCreating")
    await pods.create("configmaps", {"metadata": {"name": "run"}, "data": {"key": "x"}})
    await pods.until_phase("stuck", "Succeeded")
    told = 'MountVolume.SetUp failed for volume "vol" : configmap "run" not found'
    assert ("FailedMount", told) in await pods.events("stuck")


async def test_token_is_bound_to_its_audience_and_its_pod(pods: PodClient, cluster: Cluster) -> None:
    source = {"serviceAccountToken": {"audience": "visionft-reports", "expirationSeconds": 3600, "path": "token"}}
    volume = {"name": "vol", "projected": {"sources": [source]}}
    await pods.run("bound", mounted("cat $DIR/token; sleep 60"), volumes=[volume])
    pod = await pods.until_phase("bound", "Running")
    token = ""
    while not token:
        token = cluster.kubectl("logs", "-n", pods.namespace, "bound").stdout

    async def review(audience: str) -> dict[str, Any]:
        spec = {"token": token, "audiences": [audience]}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
        status: dict[str, Any] = (await pods.api.post("/apis/authentication.k8s.io/v1/tokenreviews", body))["status"]
        return status

    status = await review("visionft-reports")
    assert status["user"]["username"] == f"system:serviceaccount:{pods.namespace}:default"
    assert status["user"]["extra"]["authentication.kubernetes.io/pod-name"] == ["bound"]
    assert status["user"]["extra"]["authentication.kubernetes.io/pod-uid"] == [pod["metadata"]["uid"]]
    assert "authenticated" not in await review("another-audience")
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims["exp"] - claims["iat"] == pytest.approx(3600, abs=10)


async def test_claim_is_shared_by_pods_and_outlives_them(pods: PodClient, cluster: Cluster) -> None:
    spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
    await pods.create("persistentvolumeclaims", {"metadata": {"name": "data"}, "spec": spec})
    volumes = [{"name": "vol", "persistentVolumeClaim": {"claimName": "data"}}]
    await pods.run("writer", mounted("mkdir -p $DIR/a; echo hello > $DIR/a/file", subPath="deep"), volumes=volumes)
    await pods.until_phase("writer", "Succeeded")
    await pods.run("reader", mounted("cat $DIR/deep/a/file > $END"), volumes=volumes)
    assert terminated(await pods.until_phase("reader", "Succeeded"))["message"] == "hello\n"
    assert (cluster.pvc_dir(pods.namespace, "data") / "deep/a/file").read_text() == "hello\n"


@pytest.mark.parametrize("volumes", [[], [{"name": "vol", "emptyDir": {}}]], ids=["root", "volume"])
async def test_temporary_files_are_the_pods_own_and_sockets_fit(pods: PodClient, volumes: list[dict[str, Any]]) -> None:
    """multiprocessing puts sockets below TMPDIR, whose names may have 107 characters in all."""
    code = (
        "import multiprocessing as m, os, tempfile; m.Manager(); print(os.path.realpath(tempfile.gettempdir()), end='')"
    )
    container = mounted(f'python -c "{code}" > $END', path="/tmp")
    if not volumes:
        del container["volumeMounts"]
    await pods.run("sockets", container, volumes=volumes)
    pod = await pods.until_phase("sockets", "Succeeded")
    assert f"/pods/{pod['metadata']['uid']}/" in terminated(pod)["message"]


async def test_empty_dirs_are_private_to_the_pod_and_go_with_it(pods: PodClient) -> None:
    volumes = [{"name": "vol", "emptyDir": {}}]
    for name in ("one", "two"):
        script = 'test -z "$(ls -A $DIR)" && touch $DIR/x && printf "$DIR" > $END'
        await pods.run(name, mounted(script, path="/tmp"), volumes=volumes)
    folders = {terminated(await pods.until_phase(name, "Succeeded"))["message"] for name in ("one", "two")}
    assert len(folders) == 2
