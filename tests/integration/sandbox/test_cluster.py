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

import pytest
from sandbox.cluster import Cluster

TESTS = Path(__file__).parents[2]


def until(holds: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.1)


def test_version_is_the_real_one(cluster: Cluster) -> None:
    version = json.loads(cluster.kubectl("version", "-o", "json", check=True).stdout)
    assert version["serverVersion"]["gitVersion"] == version["clientVersion"]["gitVersion"] == "v1.36.3"


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
    cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(claim), check=True)
    cluster.kubectl(
        "wait", "-n", namespace, "pvc/data", "--for=jsonpath={.status.phase}=Bound", "--timeout=20s", check=True
    )
    assert cluster.pvc_dir(namespace, "data").is_dir()


def test_finished_job_goes_by_its_ttl_and_takes_its_pods_along(cluster: Cluster, namespace: str) -> None:
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "short"},
        "spec": {
            "ttlSecondsAfterFinished": 1,
            "template": {
                "spec": {
                    "restartPolicy": "Never",
                    "containers": [{"name": "main", "image": "sandbox/busybox", "command": ["true"]}],
                }
            },
        },
    }
    cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(job), check=True)
    until(lambda: "short" in cluster.kubectl("get", "pods", "-n", namespace).stdout)
    until(lambda: not cluster.kubectl("get", "jobs,pods", "-n", namespace).stdout)


def test_restarted_api_server_knows_its_data_and_its_tokens(cluster: Cluster, namespace: str) -> None:
    kubeconfig = cluster.service_account_kubeconfig(namespace, "default")
    cluster.kubectl("create", "configmap", "kept", "-n", namespace, check=True)
    before = cluster.pids()["kube-apiserver"]
    cluster.restart_apiserver()
    assert cluster.pids()["kube-apiserver"] != before
    cluster.kubectl("get", "configmap", "kept", "-n", namespace, check=True)
    cluster.kubectl("auth", "whoami", "--kubeconfig", str(kubeconfig), check=True)


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
        self.folder = Path(self.output.split("Logs are in ")[1].split("/logs")[0])
        self.pids = _processes_below(self.folder)
        self.port = int(kubeconfig.read_text(encoding="utf-8").split("https://127.0.0.1:")[1].split()[0])

    def nothing_left(self) -> bool:
        with socket.socket() as probe:
            listens = probe.connect_ex(("127.0.0.1", self.port)) == 0
        return not listens and not self.folder.exists() and not _processes_below(self.folder)


def _processes_below(folder: Path) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(folder).encode() in command:
                found.append(int(entry.name))
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill -9"])
def test_nothing_is_left_behind(tmp_path: Path, number: signal.Signals) -> None:
    kubeconfig = tmp_path / "out" / "kubeconfig"
    sandbox = Running(kubeconfig)
    assert len(sandbox.pids) >= 5, "its parts are found by their command lines"
    assert f"export KUBECONFIG={kubeconfig}" in sandbox.output
    sandbox.process.send_signal(number)
    sandbox.process.wait(20)
    until(sandbox.nothing_left)
