"""The node's side of `control.NodeControl`."""

import logging
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from sandbox.node.agent import Agent
from sandbox.node.api import ApiError, ApiUnavailableError
from sandbox.node.capacity import GPU
from sandbox.node.container import ContainerRunner
from sandbox.node.heartbeat import Heartbeat
from sandbox.node.images import Image
from sandbox.node.pod import PodWorker
from sandbox.node.process import marked_processes
from sandbox.node.records import Ending

logger = logging.getLogger(__name__)

EVICTION_MESSAGE = (
    "The node was low on resource: memory. Threshold quantity: 100Mi, available: 61440Ki. "
    "Container {container} was using 1Gi, request is 0, has larger consumption of memory. "
)


class ControlError(Exception):
    """The request makes no sense now; the message says why."""


class ControlServer:
    """One POST a verb on a unix socket; the body is the arguments, in JSON."""

    def __init__(self, agent: Agent, heartbeat: Heartbeat, path: Path) -> None:
        self._agent = agent
        self._context = agent.context
        self._heartbeat = heartbeat
        self._path = path
        self._verbs: dict[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]] = {
            "add_image": self._add_image,
            "remove_image": self._remove_image,
            "set_gpus": self._set_gpus,
            "kill": self._kill,
            "oom": self._oom,
            "evict": self._evict,
            "drain": self._drain,
            "go_silent": self._go_silent,
            "come_back": self._come_back,
            "processes": self._processes,
        }
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/{verb}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.UnixSite(self._runner, self._path).start()

    async def stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.Response:
        verb = self._verbs.get(request.match_info["verb"])
        if verb is None:
            return web.json_response({"error": f"unknown request {request.match_info['verb']}"}, status=404)
        try:
            return web.json_response(await verb(await request.json()))
        except (ControlError, ApiError, ApiUnavailableError) as error:
            return web.json_response({"error": str(error)}, status=409)
        except Exception as error:
            logger.exception("request %s", verb.__name__)
            return web.json_response({"error": f"the node failed: {error!r}"}, status=500)

    async def _add_image(self, body: dict[str, Any]) -> dict[str, Any]:
        self._context.images.add(Image(body["name"], tuple(body["argv_prefix"]), tuple(body["path_prefix"])))
        return {}

    async def _remove_image(self, body: dict[str, Any]) -> dict[str, Any]:
        self._context.images.remove(body["name"])
        return {}

    async def _set_gpus(self, body: dict[str, Any]) -> dict[str, Any]:
        self._require_connection()
        self._context.allocatable[GPU] = str(body["count"])
        await self._heartbeat.update_status()
        return {}

    async def _kill(self, body: dict[str, Any]) -> dict[str, Any]:
        runner = self._running(body)
        if runner.process:
            runner.process.signal(body["signal"])
        return {}

    async def _oom(self, body: dict[str, Any]) -> dict[str, Any]:
        runner = self._running(body)
        if runner.process:
            runner.oom = True
            runner.process.signal(signal.SIGKILL)
        return {}

    async def _evict(self, body: dict[str, Any]) -> dict[str, Any]:
        worker = self._worker(body)
        if worker.record.ended or worker.stopping:
            raise ControlError(f"pod {body['namespace']}/{body['pod']} has ended or is ending")
        message = EVICTION_MESSAGE.format(container=worker.record.app[0].name)
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "TerminationByKubelet",
            "message": message,
        }
        grace = worker.grace_seconds if body["grace_seconds"] is None else body["grace_seconds"]
        self._context.events.pod(worker.pod, "Warning", "Evicted", message)
        worker.stop(Ending(grace, failed=True, reason="Evicted", message=message, condition=condition))
        return {}

    async def _drain(self, body: dict[str, Any]) -> dict[str, Any]:
        self._require_connection()
        metadata = {"namespace": body["namespace"], "name": body["pod"]}
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
        path = f"/api/v1/namespaces/{body['namespace']}/pods/{body['pod']}/eviction"
        await self._context.api.post(path, eviction)
        return {}

    async def _go_silent(self, _body: dict[str, Any]) -> dict[str, Any]:
        self._context.api.disconnect()
        return {}

    async def _come_back(self, _body: dict[str, Any]) -> dict[str, Any]:
        self._context.api.connect()
        self._heartbeat.reconnected()
        return {}

    async def _processes(self, body: dict[str, Any]) -> dict[str, Any]:
        worker = self._agent.find(body["namespace"], body["pod"])
        if worker is None:
            return {"pids": []}
        markers = [runner.process.marker for runner in worker.runners if runner.process]
        return {"pids": [pid for marker in markers for pid in marked_processes(marker)]}

    def _require_connection(self) -> None:
        if not self._context.api.connected:
            raise ControlError("the node is silent; let it come back first")

    def _worker(self, body: dict[str, Any]) -> PodWorker:
        worker = self._agent.find(body["namespace"], body["pod"])
        if worker is None:
            raise ControlError(f"pod {body['namespace']}/{body['pod']} is not on this node")
        return worker

    def _running(self, body: dict[str, Any]) -> ContainerRunner:
        runner = self._worker(body).container(body["container"])
        if runner is None or runner.process is None:
            name = body["container"] or "its first container"
            raise ControlError(f"pod {body['namespace']}/{body['pod']}: {name} is not running")
        return runner
