"""A namespace with claims, in which tests apply VisionFineTunes and see what becomes of them."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from kubernetes import client
from sandbox.cluster import Cluster

from support import patience

SCRIPTED_IMAGE = "test/scripted-trainer"
GROUP, VERSION, PLURAL = "visionft.dev", "v1alpha1", "visionfinetunes"
POLL_SECONDS = 0.1
CLAIMS = ("data", "out")

JsonObject = dict[str, Any]
T = TypeVar("T")


def add_scripted_image(cluster: Cluster) -> None:
    """Make the scripted trainer an image of the node. -I: this folder has an operator.py, as the library has."""
    script = Path(__file__).with_name("scripted_trainer.py")
    cluster.node.add_image(SCRIPTED_IMAGE, argv_prefix=[sys.executable, "-I", str(script)])


def eventually(get: Callable[[], T], holds: Callable[[T], Any], what: str = "it") -> T:
    """Get again and again until it is as wanted, and return it; what it was instead is in the error."""
    end = time.monotonic() + patience.SECONDS
    while not holds(found := get()):
        if time.monotonic() > end:
            raise AssertionError(f"after {patience.SECONDS} s {what} was still:\n{_shown(found)}")
        time.sleep(POLL_SECONDS)
    return found


class Team:
    """One namespace."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self._custom = client.CustomObjectsApi(cluster.api_client)
        self._core = client.CoreV1Api(cluster.api_client)
        self._batch = client.BatchV1Api(cluster.api_client)

    @classmethod
    def create(cls, cluster: Cluster, namespace: str, claims: tuple[str, ...] = CLAIMS) -> Team:
        """Make the namespace and its claims."""
        team = cls(cluster, namespace)
        team._core.create_namespace({"metadata": {"name": namespace}})
        for claim in claims:
            team.claim(claim)
        return team

    def claim(self, name: str) -> None:
        """Make a claim."""
        spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
        self._core.create_namespaced_persistent_volume_claim(self.namespace, {"metadata": {"name": name}, "spec": spec})

    def manifest(self, name: str, script: dict[str, str] | None = None, **changes: JsonObject) -> JsonObject:
        """A resource on the scripted trainer. `script` has its settings without "SCRIPT_"; `changes` are merged into
        the sections of the spec."""
        env = [{"name": f"SCRIPT_{key.upper()}", "value": value} for key, value in (script or {}).items()]
        spec: JsonObject = {
            "model": {"uri": "pvc://data/model"},
            "dataset": {
                "train": {"pvc": {"claimName": "data", "path": "train.jsonl"}},
                "validation": {"pvc": {"claimName": "data", "path": "val.jsonl"}},
            },
            "evaluation": {"gates": ["cer <= 0.05"]},
            "output": {"pvc": {"claimName": "out"}},
            "resources": {"gpus": 0},
            "podTemplate": {"image": SCRIPTED_IMAGE, "env": env},
        }
        for section, change in changes.items():
            spec[section] = {**spec.get(section, {}), **change}
        return {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "VisionFineTune",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": spec,
        }

    def apply(self, name: str, script: dict[str, str] | None = None, **changes: JsonObject) -> JsonObject:
        """Create a resource; see `manifest`."""
        created: JsonObject = self._custom.create_namespaced_custom_object(
            GROUP, VERSION, self.namespace, PLURAL, self.manifest(name, script, **changes)
        )
        return created

    def patch(self, name: str, body: JsonObject) -> None:
        """Merge a change into a resource."""
        self.cluster.kubectl(
            "patch", "vft", name, "-n", self.namespace, "--type=merge", "-p", json.dumps(body), check=True
        )

    def delete(self, name: str) -> None:
        """Delete a resource, without waiting."""
        self._custom.delete_namespaced_custom_object(GROUP, VERSION, self.namespace, PLURAL, name)

    def get(self, name: str) -> JsonObject:
        """The resource as it is."""
        found: JsonObject = self._custom.get_namespaced_custom_object(GROUP, VERSION, self.namespace, PLURAL, name)
        return found

    def status(self, name: str) -> JsonObject:
        """Its status, {} while there is none."""
        status: JsonObject = self.get(name).get("status", {})
        return status

    def wait(self, name: str, kind: str, status: str, reason: str = "") -> JsonObject:
        """Wait for a condition of a resource; return it."""

        def stands(found: JsonObject) -> bool:
            now = condition(found, kind)
            return bool(now) and now["status"] == status and reason in ("", now["reason"])

        found = eventually(lambda: self.status(name), stands, f"{name} ({kind}={status} {reason})")
        return condition(found, kind)

    def pods(self, name: str) -> list[JsonObject]:
        """The pods of a resource, oldest first."""
        pods = self._core.list_namespaced_pod(self.namespace, label_selector=f"visionft.dev/name={name}").items
        found: list[JsonObject] = self.cluster.api_client.sanitize_for_serialization(pods)
        return sorted(found, key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]))

    def jobs(self, name: str) -> list[JsonObject]:
        """The Jobs of a resource."""
        jobs = self._batch.list_namespaced_job(self.namespace, label_selector=f"visionft.dev/name={name}").items
        found: list[JsonObject] = self.cluster.api_client.sanitize_for_serialization(jobs)
        return found

    def config_maps(self, name: str) -> list[str]:
        """Names of the ConfigMaps of a resource."""
        maps = self._core.list_namespaced_config_map(self.namespace, label_selector=f"visionft.dev/name={name}").items
        return [config_map.metadata.name for config_map in maps]

    def wait_running(self, name: str) -> JsonObject:
        """Wait until a pod of the resource trains and has said so; return the pod.

        Before its first report a trainer may not be ready to be told to stop.
        """

        def reports(found: JsonObject) -> bool:
            now = condition(found, "Running")
            return now.get("status") == "True" and ", stage " in now["message"]

        said = condition(eventually(lambda: self.status(name), reports, f"{name} (reports)"), "Running")
        return next(pod for pod in self.pods(name) if f"Pod {pod['metadata']['name']} " in said["message"])

    def delete_job(self, job: str) -> None:
        """Delete a Job by hand."""
        self._batch.delete_namespaced_job(job, self.namespace, propagation_policy="Background")

    def events(self, name: str) -> list[str]:
        """Reasons of the events on the resource, in order."""
        events = self._core.list_namespaced_event(
            self.namespace, field_selector=f"involvedObject.name={name},involvedObject.kind=VisionFineTune"
        ).items
        events.sort(key=lambda event: (event.metadata.creation_timestamp, int(event.metadata.resource_version)))
        return [event.reason for event in events]

    def folder(self, name: str, run: int = 1) -> Path:
        """Where a run writes to."""
        return self.cluster.pvc_dir(self.namespace, "out") / name / f"run-{run}"

    def release(self, name: str, run: int = 1) -> None:
        """Let a held trainer finish."""
        folder = self.folder(name, run)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "release").touch()

    def quota(self, **hard: str) -> None:
        """Set a ResourceQuota."""
        spec = {"hard": {key.replace("_", "/"): value for key, value in hard.items()}}
        self._core.create_namespaced_resource_quota(self.namespace, {"metadata": {"name": "quota"}, "spec": spec})

    def delete_quota(self) -> None:
        """Remove it."""
        self._core.delete_namespaced_resource_quota("quota", self.namespace)


def condition(status: JsonObject, kind: str) -> JsonObject:
    """A condition of a status, {} when it is absent."""
    return next((c for c in status.get("conditions", []) if c["type"] == kind), {})


def _shown(found: object) -> str:
    return json.dumps(found, indent=1, default=str)[-6000:]
