"""The sandbox's control plane is the real one, and nothing of it stays."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from sandbox.cluster import Cluster, ClusterError
from support import patience

TESTS = Path(__file__).parents[2]
OUTAGE_SECONDS = 12  # longer than the node controller's patience
SLEEPER = {"name": "main", "image": "sandbox/busybox", "command": ["sleep", "600"]}
RULE = {"rule": "self.low <= self.high", "message": "low must not exceed high; lower spec.low"}


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + patience.SECONDS
    while not holds():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.1)


def test_version_is_the_real_one(cluster: Cluster) -> None:
    version = json.loads(cluster.kubectl("version", "-o", "json", check=True).stdout)
    assert version["serverVersion"]["gitVersion"] == version["clientVersion"]["gitVersion"] == "v1.36.3"


def apply(cluster: Cluster, namespace: str, *objects: dict[str, Any]) -> None:
    items = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
    cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(items), check=True)


def short_job(**spec: Any) -> dict[str, Any]:
    """A Job named `short` that succeeds at once."""
    container = {"name": "main", "image": "sandbox/busybox", "command": ["true"]}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    metadata = {"name": "short"}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {**spec, "template": template}}


def test_rights_are_checked(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("create", "serviceaccount", "nobody", "-n", namespace, check=True)
    who = f"--as=system:serviceaccount:{namespace}:nobody"
    refused = cluster.kubectl("get", "secrets", "-n", namespace, who)
    assert refused.returncode != 0
    assert "Forbidden" in refused.stderr


def test_service_account_kubeconfig_is_that_account(cluster: Cluster, namespace: str) -> None:
    kubeconfig = cluster.service_account_kubeconfig(namespace, "default")
    told = cluster.kubectl("auth", "whoami", "--kubeconfig", str(kubeconfig), check=True).stdout
    assert f"system:serviceaccount:{namespace}:default" in told


def test_claim_becomes_a_folder(cluster: Cluster, namespace: str) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    apply(cluster, namespace, claim)
    cluster.kubectl(
        "wait", "-n", namespace, "pvc/data", "--for=jsonpath={.status.phase}=Bound", "--timeout=20s", check=True
    )
    assert cluster.pvc_dir(namespace, "data").is_dir()


def test_finished_job_goes_by_its_ttl_and_takes_its_pods_along(cluster: Cluster, namespace: str) -> None:
    apply(cluster, namespace, short_job(ttlSecondsAfterFinished=1))
    until(lambda: "short" in cluster.kubectl("get", "pods", "-n", namespace).stdout)
    until(lambda: not cluster.kubectl("get", "jobs,pods", "-n", namespace).stdout)


def test_what_belongs_to_a_deleted_object_goes_with_it(cluster: Cluster, namespace: str) -> None:
    apply(cluster, namespace, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner"}})
    uid = cluster.kubectl("get", "cm", "owner", "-n", namespace, "-o", "jsonpath={.metadata.uid}", check=True).stdout
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
    owned = {"name": "owned", "ownerReferences": [owner]}
    apply(cluster, namespace, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": owned})
    cluster.kubectl("delete", "cm", "owner", "-n", namespace, check=True)
    until(lambda: "owned" not in cluster.kubectl("get", "cm", "-n", namespace).stdout)


def test_rules_of_a_definition_are_enforced(cluster: Cluster, namespace: str) -> None:
    numbers = {name: {"type": "integer"} for name in ("low", "high")}
    spec = {"type": "object", "properties": numbers, "x-kubernetes-validations": [RULE]}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}},
    }
    group = f"{namespace}.example.com"
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"ranges.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": "Range", "plural": "ranges"},
            "versions": [version],
        },
    }
    apply(cluster, namespace, definition)
    cluster.kubectl("wait", f"crd/ranges.{group}", "--for=condition=Established", "--timeout=20s", check=True)
    wrong = {"apiVersion": f"{group}/v1", "kind": "Range", "metadata": {"name": "r"}, "spec": {"low": 2, "high": 1}}
    with pytest.raises(ClusterError, match=RULE["message"]):
        apply(cluster, namespace, wrong)
    apply(cluster, namespace, wrong | {"spec": {"low": 1, "high": 2}})
    cluster.kubectl("delete", "crd", f"ranges.{group}", check=True)


def test_restarted_api_server_knows_its_data_and_its_tokens(cluster: Cluster, namespace: str) -> None:
    kubeconfig = cluster.service_account_kubeconfig(namespace, "default")
    cluster.kubectl("create", "configmap", "kept", "-n", namespace, check=True)
    before = cluster.pids()["kube-apiserver"]
    cluster.restart_apiserver()
    assert cluster.pids()["kube-apiserver"] != before
    cluster.kubectl("get", "configmap", "kept", "-n", namespace, check=True)
    cluster.kubectl("auth", "whoami", "--kubeconfig", str(kubeconfig), check=True)


def test_work_goes_on_soon_after_a_long_outage_of_the_api_server(cluster: Cluster, namespace: str) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "going"}, "spec": {"containers": [SLEEPER]}}
    apply(cluster, namespace, pod)
    cluster.kubectl("wait", "pod/going", "-n", namespace, "--for=condition=Ready", "--timeout=30s", check=True)
    before = cluster.node.processes(namespace, "going")
    cluster.stop_apiserver()
    time.sleep(OUTAGE_SECONDS)
    cluster.start_apiserver()
    apply(cluster, namespace, short_job())
    cluster.kubectl("wait", "job/short", "-n", namespace, "--for=condition=Complete", "--timeout=40s", check=True)
    nodes = ["wait", "nodes", "--all", "--for=condition=Ready", "--timeout=40s"]
    cluster.kubectl(*nodes, check=True)
    assert cluster.node.processes(namespace, "going") == before


class Running:
    """`python -m sandbox` as a user starts it."""

    def __init__(self, kubeconfig: Path) -> None:
        command = [sys.executable, "-m", "sandbox", "--kubeconfig-out", str(kubeconfig)]
        environment = {**os.environ, "PYTHONPATH": str(TESTS)}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        self.output = ""
        assert self.process.stdout is not None
        while "Ctrl-C" not in self.output:
            line = self.process.stdout.readline()
            assert line, f"it ended: {self.output}"
            self.output += line
        self.kubeconfig = kubeconfig
        self.folder = Path(self.output.split("Logs are in ")[1].split("/logs")[0])
        self.port = int(kubeconfig.read_text(encoding="utf-8").split("https://127.0.0.1:")[1].split()[0])

    def run_a_pod(self) -> None:
        """Start a pod that sleeps, and wait until it does."""
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [SLEEPER]}}
        path = self.output.split("export PATH=")[1].split(":$PATH")[0]
        kubectl = [f"{path}/kubectl", "--kubeconfig", str(self.kubeconfig)]
        subprocess.run([*kubectl, "apply", "-f", "-"], input=json.dumps(pod), text=True, check=True)
        subprocess.run([*kubectl, "wait", "pod/p", "--for=condition=Ready", "--timeout=30s"], check=True)

    def processes(self) -> list[psutil.Process]:
        """All that was started by it, by and by, found by ancestry: call it while it lives."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill -9"])
def test_nothing_is_left_behind(tmp_path: Path, number: signal.Signals) -> None:
    kubeconfig = tmp_path / "out" / "kubeconfig"
    sandbox = Running(kubeconfig)
    assert f"export KUBECONFIG={kubeconfig}" in sandbox.output
    sandbox.run_a_pod()
    processes = sandbox.processes()
    assert "sleep" in [one.name() for one in processes]
    assert sandbox.listens()
    sandbox.process.send_signal(number)
    code = sandbox.process.wait(patience.SECONDS)
    until(lambda: not any(one.is_running() for one in processes))
    until(lambda: not sandbox.folder.exists())
    assert not sandbox.listens()
    if number == signal.SIGINT:
        assert code == 0
        assert not kubeconfig.exists()


def test_kubeconfig_of_another_cluster_is_not_overwritten(tmp_path: Path) -> None:
    taken = tmp_path / "config"
    taken.write_text("clusters: [{name: production}]")
    command = [sys.executable, "-m", "sandbox", "--kubeconfig-out", str(taken)]
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert "choose another path" in done.stderr
    assert taken.read_text() == "clusters: [{name: production}]"
