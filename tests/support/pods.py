"""Short ways to write, create and follow pods in tests that run on the sandbox."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from sandbox.node.api import Api

from support import patience

JsonObject = dict[str, Any]

POLL_SECONDS = 0.1
IMAGE = "sandbox/busybox"


def shell(script: str, **container: Any) -> JsonObject:
    """A container named "main" that runs a shell script."""
    return {"name": "main", "image": IMAGE, "command": ["sh", "-c", script], **container}


def pod_spec(*containers: JsonObject, **spec: Any) -> JsonObject:
    """A pod's spec that is never restarted and ends fast."""
    return {"restartPolicy": "Never", "terminationGracePeriodSeconds": 2, "containers": list(containers), **spec}


T = TypeVar("T")


async def eventually(get: Callable[[], Awaitable[T]], holds: Callable[[T], Any]) -> T:
    """Get again and again until it is as wanted, and return it; what it was instead is in the error."""
    end = asyncio.get_running_loop().time() + patience.SECONDS
    while not holds(found := await get()):
        assert asyncio.get_running_loop().time() < end, f"after {patience.SECONDS} s it was still {found}"
        await asyncio.sleep(POLL_SECONDS)
    return found


class PodClient:
    """Objects of one namespace, and waiting for what becomes of them."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.api = api
        self.namespace = namespace

    async def run(
        self, name: str, *containers: JsonObject, metadata: JsonObject | None = None, **spec: Any
    ) -> JsonObject:
        """Create a pod."""
        body = {"metadata": {"name": name, **(metadata or {})}, "spec": pod_spec(*containers, **spec)}
        return await self.create("pods", body)

    async def create(self, resource: str, body: JsonObject, group: str = "") -> JsonObject:
        """Create an object; `group` is such as "batch/v1", the core group by default."""
        return await self.api.post(self.path(resource, group=group), body)

    async def get(self, name: str, resource: str = "pods", group: str = "") -> JsonObject:
        return await self.api.get(self.path(resource, name, group))

    async def pods(self, selector: str = "") -> list[JsonObject]:
        items: list[JsonObject] = (await self.api.get(self.path("pods"), {"labelSelector": selector}))["items"]
        return items

    async def delete(self, name: str, grace_seconds: int | None = None) -> None:
        body = {} if grace_seconds is None else {"gracePeriodSeconds": grace_seconds}
        await self.api.delete(self.path("pods", name), body)

    async def events(self, name: str) -> list[tuple[str, str]]:
        """(reason, message) of a pod's events."""
        found = await self.api.get(self.path("events"), {"fieldSelector": f"involvedObject.name={name}"})
        return [(event["reason"], event["message"]) for event in found["items"]]

    async def until(self, name: str, holds: Callable[[JsonObject], Any]) -> JsonObject:
        """Wait for a pod to be as wanted and return it; what it was instead is in the error."""
        return await eventually(lambda: self.get(name), holds)

    async def until_phase(self, name: str, phase: str) -> JsonObject:
        return await self.until(name, lambda pod: pod["status"]["phase"] == phase)

    async def until_gone(self, name: str) -> None:
        async def found() -> list[JsonObject]:
            return [pod for pod in await self.pods() if pod["metadata"]["name"] == name]

        await eventually(found, lambda pods: not pods)

    def path(self, resource: str, name: str = "", group: str = "") -> str:
        root = f"/apis/{group}" if group else "/api/v1"
        return f"{root}/namespaces/{self.namespace}/{resource}" + (f"/{name}" if name else "")


def state(pod: JsonObject, container: int = 0) -> JsonObject:
    """The state of a container: {"running": …}, {"waiting": …} or {"terminated": …}."""
    found: JsonObject = pod["status"]["containerStatuses"][container]["state"]
    return found


def terminated(pod: JsonObject, container: int = 0) -> JsonObject:
    ended: JsonObject = state(pod, container)["terminated"]
    return ended


def waiting_reason(pod: JsonObject, container: int = 0) -> str | None:
    statuses = pod["status"].get("containerStatuses") or []
    return statuses[container]["state"].get("waiting", {}).get("reason") if statuses else None


def condition(pod: JsonObject, kind: str) -> JsonObject:
    return next((entry for entry in pod["status"].get("conditions", []) if entry["type"] == kind), {})
