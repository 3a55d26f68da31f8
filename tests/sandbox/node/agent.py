"""The node: follows the pods bound to it and runs a worker for each."""

import asyncio
import logging
from typing import Any

from sandbox.node.api import ApiError, ApiUnavailableError
from sandbox.node.container import ContainerRunner
from sandbox.node.context import NodeContext
from sandbox.node.pod import PodWorker

logger = logging.getLogger(__name__)

RELIST_SECONDS = 1.0


class Agent:
    """Follows pods; processes go on whether or not the API server can be reached."""

    def __init__(self, context: NodeContext) -> None:
        self.context = context
        self._finished: set[str] = set()
        """Pods whose removal was asked for: late events on them start no new worker."""
        self._workers: dict[str, PodWorker] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def find(self, namespace: str, name: str) -> PodWorker | None:
        """The worker of the pod with this name."""
        # The newest first: an older pod of the same name may still be ending.
        for worker in reversed(self._workers.values()):
            metadata = worker.pod["metadata"]
            if (metadata["namespace"], metadata["name"]) == (namespace, name):
                return worker
        return None

    def find_container(self, namespace: str, pod: str, container: str) -> ContainerRunner | None:
        worker = self.find(namespace, pod)
        return worker.container(container) if worker else None

    async def close(self) -> None:
        """Leave all pods as they are; their processes are the caller's to end."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def run(self) -> None:
        """Follow for ever."""
        while True:
            following = asyncio.create_task(self._follow())
            offline = asyncio.create_task(self.context.api.wait_disconnected())
            await asyncio.wait([following, offline], return_when=asyncio.FIRST_COMPLETED)
            for task in (following, offline):
                task.cancel()
            await asyncio.gather(following, offline, return_exceptions=True)
            if not following.cancelled() and (error := following.exception()):
                level = logging.INFO if isinstance(error, ApiError | ApiUnavailableError) else logging.ERROR
                logger.log(level, "pods have to be listed again: %s", error, exc_info=level == logging.ERROR)
                await asyncio.sleep(RELIST_SECONDS)

    async def _follow(self) -> None:
        params = {"fieldSelector": f"spec.nodeName={self.context.name}"}
        listed = await self.context.api.get("/api/v1/pods", params)
        for pod in listed["items"]:
            self._take(pod)
        present = {pod["metadata"]["uid"] for pod in listed["items"]}
        for uid in set(self._workers) - present:
            self._workers[uid].removed()
        self._finished &= present
        version = listed["metadata"]["resourceVersion"]
        while True:
            async for event in self.context.api.watch("/api/v1/pods", {**params, "resourceVersion": version}):
                version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] in ("ADDED", "MODIFIED"):
                    self._take(event["object"])
                elif event["type"] == "DELETED":
                    self._drop(event["object"])

    def _take(self, pod: dict[str, Any]) -> None:
        uid = pod["metadata"]["uid"]
        if worker := self._workers.get(uid):
            worker.update(pod)
            return
        if uid not in self._finished:
            worker = self._workers[uid] = PodWorker(self.context, pod)
            self._spawn(uid, worker)

    def _drop(self, pod: dict[str, Any]) -> None:
        uid = pod["metadata"]["uid"]
        self._finished.discard(uid)
        if worker := self._workers.get(uid):
            worker.update(pod)
            worker.removed()

    def _spawn(self, uid: str, worker: PodWorker) -> None:
        async def run() -> None:
            try:
                await worker.run()
            except Exception:
                metadata = worker.pod["metadata"]
                logger.exception("pod %s/%s is given up", metadata["namespace"], metadata["name"])
            finally:
                self._workers.pop(uid, None)
                self._finished.add(uid)

        task = asyncio.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
