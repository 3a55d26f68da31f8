"""A cluster for tests and demonstrations.

with Cluster.start() as cluster:
    cluster.kubectl("get", "nodes")
"""

import http.client
import os
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kubernetes import client, config

from sandbox import kubeconfig, programs
from sandbox.build import Log, ensure_built
from sandbox.certificates import Authority, service_account_key
from sandbox.control_plane_node import ControlPlaneNode
from sandbox.errors import ClusterError
from sandbox.node.control import NodeControl, NodeControlError
from sandbox.ports import free_ports, listens
from sandbox.processes import Child, WorkFolder
from sandbox.programs import Layout
from sandbox.storage import Provisioner, claim_folder, storage_class

NODE_NAME = "sandbox-node"
READY_SECONDS = 300  # of a machine that has much else to do
POLL_SECONDS = 0.05
TOKEN_LIFE_SECONDS = 24 * 3600


class Cluster:
    """A running cluster: etcd, API server, controllers, scheduler, one node that runs pods as local processes.

    Everything dies with this process, however it dies, and its folder is removed.
    """

    def __init__(self, binaries: Path, log: Log) -> None:
        self._binaries = binaries
        self._log = log
        self._folder = WorkFolder()
        self._children: dict[str, Child] = {}
        data = self.data
        data.mkdir(exist_ok=True)
        self.logs = data / "logs"
        self.logs.mkdir()
        pki = data / "pki"
        pki.mkdir()
        authority = Authority(pki)
        etcd_port, api_port = free_ports(2)
        self.service_account_key = service_account_key(pki / "service-account.key")
        self._layout = Layout(
            data=data,
            etcd_port=etcd_port,
            api_port=api_port,
            ca=authority.certificate,
            etcd_serving=authority.server("etcd"),
            etcd_client=authority.client("kube-apiserver-etcd-client"),
            serving=authority.server("kube-apiserver"),
            kubelet_client=authority.client("kube-apiserver-kubelet-client", "system:masters"),
            service_account_key=self.service_account_key,
        )
        self.url = self._layout.url
        self.ca_file = authority.certificate
        admin = authority.client("admin", "system:masters")
        self.kubeconfig = kubeconfig.with_certificate(data / "kubeconfig", self.url, self.ca_file, admin)
        self._controller_kubeconfig = self._component_kubeconfig(authority, "kube-controller-manager", "system:masters")
        self._scheduler_kubeconfig = self._component_kubeconfig(authority, "system:kube-scheduler")
        self._node_kubeconfig = self._component_kubeconfig(authority, "sandbox-node", "system:masters")
        self.api_client = config.new_client_from_config(str(self.kubeconfig))
        self._core = client.CoreV1Api(self.api_client)
        self._provisioner = Provisioner(self._core, data / "claims")
        self._control_plane_node = ControlPlaneNode(self.api_client)
        self.node = NodeControl(data / "node.sock")

    @classmethod
    def start(cls, log: Log = print) -> Self:
        """Build what has changed, start everything, and return when pods can run.

        Raises:
            BuildError, ClusterError: it could not be built or did not come up.
        """
        cluster = cls(ensure_built(log), log)
        try:
            cluster._bring_up()
        except BaseException:
            cluster.close()
            raise
        return cluster

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def data(self) -> Path:
        """The folder that holds all of this cluster's files."""
        return self._folder.path

    @property
    def kubectl_path(self) -> Path:
        """kubectl of the cluster's own version."""
        return self._binaries / "kubectl"

    def kubectl(
        self, *arguments: str, check: bool = False, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as the administrator; with `check`, a failure raises `ClusterError` with what kubectl said."""
        done = subprocess.run(
            [str(self.kubectl_path), *arguments],
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig)},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode != 0:
            raise ClusterError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """A kubeconfig for a service account, by a token of 24 hours."""
        request = client.AuthenticationV1TokenRequest(
            spec=client.V1TokenRequestSpec(audiences=[programs.ISSUER], expiration_seconds=TOKEN_LIFE_SECONDS)
        )
        answer: Any = self._core.create_namespaced_service_account_token(name, namespace, request)
        path = self.data / f"{namespace}-{name}.kubeconfig"
        return kubeconfig.with_token(path, self.url, self.ca_file, answer.status.token)

    def pvc_dir(self, namespace: str, claim: str) -> Path:
        """The folder behind a claim, made if the claim is not there yet."""
        folder = claim_folder(self.data / "claims", namespace, claim)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def stop_apiserver(self, *, hard: bool = True) -> None:
        """End the API server, by SIGKILL if `hard`. Everything else goes on and waits for it."""
        self._children.pop("kube-apiserver").stop(hard=hard)

    def start_apiserver(self) -> None:
        """Start the API server again and wait until it answers.

        The controllers and the scheduler start anew with it, as they do on a real cluster when they could not renew
        their lease; their watches would otherwise wait for up to a minute before they try again.
        """
        self._start_program(programs.kube_apiserver(self._layout))
        self._wait("the API server", self._api_ready, "kube-apiserver")
        for name in ("kube-controller-manager", "kube-scheduler"):
            self._children.pop(name).stop(hard=True)
        self._start_api_clients()

    def restart_apiserver(self, *, hard: bool = True) -> None:
        """What an upgrade of the API server, or (`hard`) a crash, looks like to its clients."""
        self.stop_apiserver(hard=hard)
        self.start_apiserver()

    def pids(self) -> dict[str, int]:
        """Process ids of the cluster's parts."""
        return {name: child.pid for name, child in self._children.items()}

    def check(self) -> None:
        """Raise `ClusterError` when a part has ended by itself."""
        for name, child in self._children.items():
            if not child.running:
                raise ClusterError(f"{name} has ended:\n{child.last_words()}")

    def close(self) -> None:
        """End everything and remove the folder."""
        self._provisioner.stop()
        self._control_plane_node.stop()
        # The node first, while the others still answer; then the API server's clients before the API server.
        for name in ("node", "kube-scheduler", "kube-controller-manager", "kube-apiserver", "etcd"):
            child = self._children.pop(name, None)
            if child is not None:
                child.stop(hard=name not in ("node", "etcd"))
        self.api_client.close()
        self._folder.close()

    def _bring_up(self) -> None:
        self._start_program(programs.etcd(self._layout))
        self._wait("etcd", lambda: listens(self._layout.etcd_port), "etcd")
        self._start_program(programs.kube_apiserver(self._layout))
        self._start_api_clients()
        self._wait("the API server", self._api_ready, "kube-apiserver")
        client.StorageV1Api(self.api_client).create_storage_class(storage_class())
        self._provisioner.start()
        self._control_plane_node.start()
        self._start_node()
        self._wait("the node", self._node_schedulable, "node")
        self._wait("the controllers", self._default_account_exists, "kube-controller-manager")

    def _start_api_clients(self) -> None:
        self._start_program(programs.kube_controller_manager(self._layout, self._controller_kubeconfig))
        self._start_program(programs.kube_scheduler(self._scheduler_kubeconfig))

    def _start_program(self, command: list[str]) -> None:
        name = command[0]
        binary = str(self._binaries / "controlplane")
        self._children[name] = Child(name, [binary, *command], self.logs / f"{name}.log")

    def _start_node(self) -> None:
        arguments = {
            "--kubeconfig": self._node_kubeconfig,
            "--data": self.data / "node",
            "--control": self.data / "node.sock",
            "--name": NODE_NAME,
            "--client-ca": self.ca_file,
        }
        command = [sys.executable, "-m", "sandbox.node", "--die-with-parent"]
        for flag, value in arguments.items():
            command += [flag, str(value)]
        tests = str(Path(__file__).parents[1])
        path = os.pathsep.join(part for part in (tests, os.environ.get("PYTHONPATH")) if part)
        self._children["node"] = Child("node", command, self.logs / "node.log", {**os.environ, "PYTHONPATH": path})

    def _component_kubeconfig(self, authority: Authority, user: str, *groups: str) -> Path:
        path = self.data / f"{user.replace(':', '-')}.kubeconfig"
        return kubeconfig.with_certificate(
            path, self._layout.url, authority.certificate, authority.client(user, *groups)
        )

    def _api_ready(self) -> bool:
        trust = ssl.create_default_context(cafile=str(self.ca_file))
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", context=trust, timeout=READY_SECONDS) as answer:
                return bool(answer.status == http.client.OK)
        except OSError:
            return False

    def _node_schedulable(self) -> bool:
        try:
            self.node.processes("default", "none")
            node: Any = self._core.read_node(NODE_NAME)
        except (client.ApiException, NodeControlError):
            return False
        ready = any(
            condition.type == "Ready" and condition.status == "True" for condition in node.status.conditions or []
        )
        return ready and not node.spec.taints

    def _default_account_exists(self) -> bool:
        try:
            self._core.read_namespaced_service_account("default", "default")
        except client.ApiException:
            return False
        return True

    def _wait(self, what: str, holds: Callable[[], bool], child_name: str) -> None:
        end = time.monotonic() + READY_SECONDS
        while not holds():
            child = self._children[child_name]
            if not child.running:
                raise ClusterError(f"{what} ended while starting:\n{child.last_words()}")
            if time.monotonic() > end:
                raise ClusterError(f"{what} was not ready after {READY_SECONDS} s:\n{child.last_words()}")
            time.sleep(POLL_SECONDS)
