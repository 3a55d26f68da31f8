"""Fault control of the sandbox's node, for tests and demonstrations.

node = NodeControl(socket)
node.oom("default", "train-run-1-x2x9z")
"""

import http.client
import json
import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 30


class NodeControlError(Exception):
    """The node refused the request; the message says why."""


class NodeControl:
    """Speaks to the node process over its unix socket. Every call returns when the node has acted on it."""

    def __init__(self, socket_path: Path) -> None:
        self._socket_path = socket_path

    def add_image(self, name: str, *, path_prefix: Sequence[str | Path] = (), argv_prefix: Sequence[str] = ()) -> None:
        """Make an image exist: `path_prefix` leads its containers' PATH, `argv_prefix` every command line."""
        prefix = [str(folder) for folder in path_prefix]
        self._call("add_image", name=name, path_prefix=prefix, argv_prefix=list(argv_prefix))

    def remove_image(self, name: str) -> None:
        """Make an image unknown: the next container that needs it waits with ErrImagePull."""
        self._call("remove_image", name=name)

    def set_gpus(self, count: int) -> None:
        """Change the node's nvidia.com/gpu; with 0 a GPU pod is unschedulable. Running pods stay."""
        self._call("set_gpus", count=count)

    def kill(self, namespace: str, pod: str, number: int = signal.SIGKILL, container: str | None = None) -> None:
        """Send a signal to a container's first process; by SIGKILL it ends with 137, reason Error."""
        self._call("kill", namespace=namespace, pod=pod, signal=int(number), container=container)

    def oom(self, namespace: str, pod: str, container: str | None = None) -> None:
        """Kill a container as the kernel does when memory is out: 137, reason OOMKilled."""
        self._call("oom", namespace=namespace, pod=pod, container=container)

    def evict(self, namespace: str, pod: str, grace_seconds: float | None = None) -> None:
        """Evict for node pressure: SIGTERM and grace (the pod's own by default), then phase Failed, reason
        Evicted, and the condition DisruptionTarget with reason TerminationByKubelet."""
        self._call("evict", namespace=namespace, pod=pod, grace_seconds=grace_seconds)

    def drain(self, namespace: str, pod: str) -> None:
        """Evict through the Eviction API, as `kubectl drain` does: DisruptionTarget with reason
        EvictionByEvictionAPI, then deletion."""
        self._call("drain", namespace=namespace, pod=pod)

    def go_silent(self) -> None:
        """Cut the node off from the API server in both directions; its processes go on."""
        self._call("go_silent")

    def come_back(self) -> None:
        """End the silence: the node catches up with what happened meanwhile."""
        self._call("come_back")

    def processes(self, namespace: str, pod: str) -> list[int]:
        """Process ids of the pod's containers, descendants included; empty when the pod is not here."""
        return [int(pid) for pid in self._call("processes", namespace=namespace, pod=pod)["pids"]]

    def _call(self, verb: str, **arguments: Any) -> dict[str, Any]:
        connection = _UnixConnection(self._socket_path)
        try:
            connection.request("POST", f"/{verb}", json.dumps(arguments), {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer: dict[str, Any] = json.loads(response.read())
        except OSError as error:
            raise NodeControlError(f"the node does not answer at {self._socket_path}: {error}") from error
        finally:
            connection.close()
        if response.status != http.client.OK:
            raise NodeControlError(answer["error"])
        return answer


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
