"""The life of one pod on this node."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any

from sandbox.node.api import ApiError, ApiUnavailableError
from sandbox.node.backoff import Backoff
from sandbox.node.container import ContainerRunner
from sandbox.node.context import NodeContext
from sandbox.node.records import ContainerRecord, Ending, PodRecord, Waiting
from sandbox.node.status import build_status, lost_containers
from sandbox.node.status_writer import StatusWriter
from sandbox.node.volumes import MountError, PodVolumes

logger = logging.getLogger(__name__)

DELETE_RETRY_SECONDS = 1.0
DEFAULT_GRACE_SECONDS = 30
TERMINAL_PHASES = ("Succeeded", "Failed")


class PodWorker:
    """Runs a pod's containers and tells the API server about them until the pod is deleted."""

    def __init__(self, context: NodeContext, pod: dict[str, Any]) -> None:
        self.pod = pod
        self.record = _new_record(pod)
        self._context = context
        self._volumes = PodVolumes(context, pod)
        self._writer = StatusWriter(context.api, pod)
        self._stopped = asyncio.Event()
        self._deleted = asyncio.Event()
        self._gone = asyncio.Event()
        self._kill_at: float | None = None
        self._kill_timer: asyncio.TimerHandle | None = None
        self.runners = self._make_runners()
        self.update(pod)

    @property
    def stopping(self) -> bool:
        return self._stopped.is_set()

    def update(self, pod: dict[str, Any]) -> None:
        """Take a newer version of the pod; a deletion stops it."""
        self.pod = self._volumes.pod = pod
        if "deletionTimestamp" in pod["metadata"]:
            self._deleted.set()
            self.stop(Ending(grace_seconds=float(pod["metadata"].get("deletionGracePeriodSeconds") or 0)))
        elif not self.record.ended and not self._tells_readiness(pod):
            # The node controller calls the pods of a silent node unready; the node takes that back when it is heard.
            self._writer.rewrite()

    def removed(self) -> None:
        """The pod is no longer in the API server: stop its processes and forget it."""
        self._gone.set()
        self._deleted.set()
        grace = self.pod["metadata"].get("deletionGracePeriodSeconds", self.grace_seconds)
        self.stop(Ending(grace_seconds=float(grace)))

    @property
    def grace_seconds(self) -> float:
        return float(self.pod["spec"].get("terminationGracePeriodSeconds", DEFAULT_GRACE_SECONDS))

    def stop(self, ending: Ending) -> None:
        """Stop all containers: SIGTERM now, SIGKILL after the grace period. A later call can only hasten it."""
        if self.record.ended:
            return
        loop = asyncio.get_running_loop()
        kill_at = loop.time() + ending.grace_seconds
        if not self.stopping:
            self.record.ending = ending
            self._stopped.set()
            for runner in self._running():
                runner.event("Normal", "Killing", f"Stopping container {runner.record.name}")
                if runner.process:
                    runner.process.signal(signal.SIGTERM)
        if self._kill_at is None or kill_at < self._kill_at:
            self._kill_at = kill_at
            if self._kill_timer:
                self._kill_timer.cancel()
            self._kill_timer = loop.call_at(kill_at, self._kill)

    def publish(self) -> None:
        """Write the pod's status soon."""
        status = build_status(self.pod, self.record, datetime.now(UTC))
        self.record.conditions = status["conditions"]
        self._writer.put(status)

    async def pause(self, seconds: float) -> None:
        """Sleep, but not beyond the moment the pod is stopped."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), seconds)

    async def run(self) -> None:
        """The whole life, until the pod is removed from the API server."""
        async with _background(self._writer.run(), self._refresh_volumes(), self._watch_deadline()):
            if self.pod["status"].get("phase") in TERMINAL_PHASES:
                self.record.ended = True
            else:
                await self._live()
            await self._deleted.wait()
            await self._finish()
        self._context.forget_pod(self.pod["metadata"]["uid"])

    async def _live(self) -> None:
        self.publish()
        if not self._was_running() and await self._set_up_volumes():
            await self._run_containers()
        if self._kill_timer:
            self._kill_timer.cancel()
        lost_containers(self.record, datetime.now(UTC))
        self.record.ended = True
        self.publish()

    def _tells_readiness(self, pod: dict[str, Any]) -> bool:
        """Whether the pod's Ready condition is what this node said last."""

        def ready(conditions: list[dict[str, Any]]) -> str | None:
            return next((one["status"] for one in conditions if one["type"] == "Ready"), None)

        return ready(pod["status"].get("conditions", [])) == ready(self.record.conditions)

    def _was_running(self) -> bool:
        """Whether an earlier node process had started containers of the pod; they ended with it."""
        return any(record.container_id for record in [*self.record.init, *self.record.app])

    async def _set_up_volumes(self) -> bool:
        timing = self._context.timing
        backoff = Backoff(timing.mount_retry_first, timing.mount_retry_cap)
        while not self.stopping:
            try:
                await self._volumes.set_up()
            except MountError as error:
                self._context.events.pod(self.pod, "Warning", "FailedMount", str(error))
                await self.pause(backoff.next())
            else:
                self.record.volumes_ready = True
                return True
        return False

    async def _run_containers(self) -> None:
        init = [runner for runner in self.runners if runner.record in self.record.init]
        for runner in init:
            await runner.run()
            if not runner.record.succeeded:
                return
        app = [runner for runner in self.runners if runner not in init]
        for runner in app:
            if isinstance(runner.record.state, Waiting):
                runner.record.state = Waiting("ContainerCreating")
        async with asyncio.TaskGroup() as group:
            for runner in app:
                group.create_task(runner.run())

    async def _refresh_volumes(self) -> None:
        while True:
            await asyncio.sleep(self._context.timing.sync_period)
            if self.record.volumes_ready and not self.record.ended:
                await self._volumes.refresh()

    async def _watch_deadline(self) -> None:
        seconds = self.pod["spec"].get("activeDeadlineSeconds")
        if seconds is None or self.record.ended:
            return
        age = (datetime.now(UTC) - self.record.started_at).total_seconds()
        await asyncio.sleep(max(0.0, seconds - age))
        if not self.record.ended:
            message = "Pod was active on the node longer than the specified deadline"
            self._context.events.pod(self.pod, "Normal", "DeadlineExceeded", message)
            self.stop(Ending(self.grace_seconds, failed=True, reason="DeadlineExceeded", message=message))

    async def _finish(self) -> None:
        """Tell the final status, then let the API server remove the pod."""
        metadata = self.pod["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}}
        while not self._gone.is_set():
            await self._first_of(self._writer.flush(), self._gone.wait())
            try:
                await self._context.api.delete(path, body)
                return
            except ApiError as error:
                if error.status in (404, 409):
                    return
                logger.warning("pod %s cannot be removed: %s", path, error)
            except ApiUnavailableError as error:
                logger.info("pod %s is not removed yet: %s", path, error)
            await asyncio.sleep(DELETE_RETRY_SECONDS)

    async def _first_of(self, *waits: Coroutine[Any, Any, Any]) -> None:
        tasks = [asyncio.ensure_future(wait) for wait in waits]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()

    def container(self, name: str | None) -> ContainerRunner | None:
        """The runner of a container; of the only or first one when no name is given."""
        app = self.runners[len(self.record.init) :]
        return next((runner for runner in (self.runners if name else app) if name in (None, runner.record.name)), None)

    def _running(self) -> list[ContainerRunner]:
        return [runner for runner in self.runners if runner.process is not None]

    def _kill(self) -> None:
        for runner in self._running():
            if runner.process:
                runner.process.kill_all()

    def _make_runners(self) -> list[ContainerRunner]:
        spec = self.pod["spec"]
        init = zip(spec.get("initContainers", []), self.record.init, strict=True)
        app = zip(spec["containers"], self.record.app, strict=True)
        make = ContainerRunner
        return [
            *(make(self._context, self, container, record, self._volumes, init=True) for container, record in init),
            *(make(self._context, self, container, record, self._volumes) for container, record in app),
        ]


def _new_record(pod: dict[str, Any]) -> PodRecord:
    spec, status = pod["spec"], pod.get("status", {})
    known = {
        container["name"]: container.get("containerID", "")
        for container in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    }

    def records(containers: list[dict[str, Any]], reason: str) -> list[ContainerRecord]:
        return [
            ContainerRecord(c["name"], c["image"], Waiting(reason), container_id=known.get(c["name"], ""))
            for c in containers
        ]

    init = records(spec.get("initContainers", []), "PodInitializing")
    app = records(spec["containers"], "PodInitializing" if init else "ContainerCreating")
    started = status.get("startTime")
    started_at = datetime.fromisoformat(started) if started else datetime.now(UTC)
    return PodRecord(init, app, started_at, conditions=list(status.get("conditions", [])))


@contextlib.asynccontextmanager
async def _background(*work: Coroutine[Any, Any, None]) -> Any:
    tasks = [asyncio.create_task(one) for one in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
