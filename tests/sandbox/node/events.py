"""Events on pods, as a kubelet sends them: repeated ones are counted, one that is refused is let go."""

import asyncio
import contextlib
import logging
from datetime import UTC, datetime
from typing import Any

from sandbox.node.api import Api, ApiError, ApiUnavailableError
from sandbox.node.status import timestamp

logger = logging.getLogger(__name__)

QUEUE_LENGTH = 1000
REMEMBERED_EVENTS = 2000
MAX_MESSAGE_BYTES = 1024
RETRY_SECONDS = 1.0


class EventRecorder:
    """Queues events; `run` sends them."""

    def __init__(self, api: Api, node_name: str) -> None:
        self._api = api
        self._node_name = node_name
        self._queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(QUEUE_LENGTH)
        self._sent: dict[tuple[str, ...], dict[str, Any]] = {}
        self._serial = 0

    def pod(self, pod: dict[str, Any], kind: str, reason: str, message: str, field_path: str = "") -> None:
        """Record an event on a pod; `kind` is "Normal" or "Warning"."""
        metadata = pod["metadata"]
        involved = {
            "apiVersion": "v1",
            "kind": "Pod",
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
        }
        if field_path:
            involved["fieldPath"] = field_path
        now = timestamp(datetime.now(UTC))
        self._put(
            {
                "involvedObject": involved,
                "type": kind,
                "reason": reason,
                "message": message[:MAX_MESSAGE_BYTES],
                "firstTimestamp": now,
                "lastTimestamp": now,
            }
        )

    async def run(self) -> None:
        """Send queued events for ever."""
        while True:
            event = await self._queue.get()
            try:
                await self._send(event)
            except ApiError as error:
                logger.info("event %s is refused: %s", event["reason"], error)
            except ApiUnavailableError:
                self._put(event)
                await asyncio.sleep(RETRY_SECONDS)

    def _put(self, event: dict[str, Any]) -> None:
        with contextlib.suppress(asyncio.QueueFull):
            self._queue.put_nowait(event)

    async def _send(self, event: dict[str, Any]) -> None:
        involved = event["involvedObject"]
        path = f"/api/v1/namespaces/{involved['namespace']}/events"
        key = (involved["uid"], involved.get("fieldPath", ""), event["reason"], event["message"])
        if known := self._sent.get(key):
            count = known["count"] + 1
            body = {"count": count, "lastTimestamp": event["lastTimestamp"]}
            self._sent[key] = await self._api.patch(f"{path}/{known['metadata']['name']}", body)
            return
        self._serial += 1
        name = f"{involved['name']}.{int(datetime.now(UTC).timestamp() * 1e6):x}{self._serial:x}"
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": involved["namespace"]},
            "source": {"component": "kubelet", "host": self._node_name},
            "reportingComponent": "kubelet",
            "reportingInstance": self._node_name,
            "count": 1,
            **event,
        }
        if len(self._sent) >= REMEMBERED_EVENTS:
            self._sent.pop(next(iter(self._sent)))
        self._sent[key] = await self._api.post(path, body)
