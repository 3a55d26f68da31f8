"""The node that a control plane runs on: always heard, never scheduled to.

With one node alone, its silence looks to the node controller like a fault of its own network, and nothing is evicted.
"""

import contextlib
import threading
from datetime import UTC, datetime

import urllib3
from kubernetes import client

NAME = "sandbox-control-plane"
LEASE_NAMESPACE = "kube-node-lease"
LEASE_SECONDS = 40
RENEW_SECONDS = 2.0


class ControlPlaneNode:
    """Registers the node, and keeps its lease and its condition fresh in a thread."""

    def __init__(self, api_client: client.ApiClient) -> None:
        self._core = client.CoreV1Api(api_client)
        self._leases = client.CoordinationV1Api(api_client)
        self._since = datetime.now(UTC)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=NAME, daemon=True)

    def start(self) -> None:
        """Register and go on beating."""
        taint = client.V1Taint(key="node-role.kubernetes.io/control-plane", effect="NoSchedule")
        node = client.V1Node(
            metadata=client.V1ObjectMeta(name=NAME, labels={"node-role.kubernetes.io/control-plane": ""}),
            spec=client.V1NodeSpec(taints=[taint]),
        )
        self._core.create_node(node)
        self._say_ready()
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        while True:
            # While the API server restarts, the beat is missed as a kubelet would miss it.
            with contextlib.suppress(client.ApiException, urllib3.exceptions.HTTPError):
                self._renew()
                self._say_ready()
            if self._stopped.wait(RENEW_SECONDS):
                return

    def _say_ready(self) -> None:
        """Once the API server was away for long, the node controller has put Unknown here; else nothing changes."""
        condition = client.V1NodeCondition(
            type="Ready",
            status="True",
            reason="ControlPlaneReady",
            message="the sandbox's control plane",
            last_heartbeat_time=self._since,
            last_transition_time=self._since,
        )
        self._core.patch_node_status(NAME, client.V1Node(status=client.V1NodeStatus(conditions=[condition])))

    def _renew(self) -> None:
        spec = client.V1LeaseSpec(
            holder_identity=NAME, lease_duration_seconds=LEASE_SECONDS, renew_time=datetime.now(UTC)
        )
        lease = client.V1Lease(metadata=client.V1ObjectMeta(name=NAME), spec=spec)
        try:
            self._leases.patch_namespaced_lease(NAME, LEASE_NAMESPACE, lease)
        except client.ApiException as error:
            if error.status != 404:
                raise
            self._leases.create_namespaced_lease(LEASE_NAMESPACE, lease)
