"""Keeps the Node object and its Lease fresh."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sandbox.node.api import Api, ApiError, ApiUnavailableError
from sandbox.node.capacity import node_object, node_status

logger = logging.getLogger(__name__)

LEASE_SECONDS = 40
RENEW_SECONDS = 2.0
"""A kubelet renews every 10 s; the sandbox's controllers have shorter patience."""
STATUS_SECONDS = 30.0
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


class Heartbeat:
    """Registers the node, then renews its lease often and its status now and then, or when told to."""

    def __init__(self, api: Api, name: str, resources: dict[str, str], log_port: int) -> None:
        self._api = api
        self._name = name
        self._resources = resources
        self._log_port = log_port
        self._since = datetime.now(UTC)
        self._status_due = 0.0
        self._wake = asyncio.Event()

    async def update_status(self) -> None:
        """Write the node's status now. Raises ApiError or ApiUnavailableError."""
        status = node_status(self._resources, self._log_port, self._since, datetime.now(UTC))
        path = f"/api/v1/nodes/{self._name}"
        try:
            await self._api.patch(f"{path}/status", {"status": status}, kind="strategic")
        except ApiError as error:
            if error.status != 404:
                raise
            await self._api.post("/api/v1/nodes", node_object(self._name))
            await self._api.patch(f"{path}/status", {"status": status}, kind="strategic")

    def reconnected(self) -> None:
        """The node was cut off: its conditions changed meanwhile, so its status is due now."""
        self._since = datetime.now(UTC)
        self._status_due = 0.0
        self._wake.set()

    async def run(self, registered: Callable[[], None]) -> None:
        """Beat for ever; `registered` is called after the first status was written."""
        loop = asyncio.get_running_loop()
        first = True
        while True:
            try:
                await self._renew_lease()
                if loop.time() >= self._status_due:
                    await self.update_status()
                    self._status_due = loop.time() + STATUS_SECONDS
                    if first:
                        registered()
                        first = False
            except (ApiError, ApiUnavailableError) as error:
                logger.info("heartbeat: %s", error)
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), RENEW_SECONDS)
            except TimeoutError:
                continue

    async def _renew_lease(self) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec: dict[str, Any] = {"holderIdentity": self._name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now}
        try:
            await self._api.patch(f"{LEASES}/{self._name}", {"spec": spec})
        except ApiError as error:
            if error.status != 404:
                raise
            lease = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": self._name},
                "spec": spec,
            }
            await self._api.post(LEASES, lease)
