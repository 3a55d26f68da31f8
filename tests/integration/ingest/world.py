"""What the report server's tests find in the cluster: teams, their runs' Jobs and pods, and tokens of every kind."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from kubernetes import client
from sandbox.cluster import Cluster
from support import patience
from visionft_operator.names import child_labels, child_name

AUDIENCE = "visionft-reports"


@dataclass
class World:
    """A cluster's objects through an administrator's client."""

    cluster: Cluster

    def __post_init__(self) -> None:
        self.core = client.CoreV1Api(self.cluster.api_client)
        self.batch = client.BatchV1Api(self.cluster.api_client)
        self.custom = client.CustomObjectsApi(self.cluster.api_client)

    def tune(self, namespace: str, name: str, run: int) -> None:
        """Create a VisionFineTune whose status names its run, as the operator would have written it."""
        body = {
            "apiVersion": "visionft.dev/v1alpha1",
            "kind": "VisionFineTune",
            "metadata": {"name": name},
            "spec": {
                "model": {"name": "acme/base"},
                "dataset": {
                    "train": {"pvc": {"claimName": "data", "path": "train.jsonl"}},
                    "validation": {"pvc": {"claimName": "data", "path": "validation.jsonl"}},
                },
                "output": {"pvc": {"claimName": "out"}},
            },
        }
        where = {"group": "visionft.dev", "version": "v1alpha1", "namespace": namespace, "plural": "visionfinetunes"}
        self.custom.create_namespaced_custom_object(**where, body=body)
        self.custom.patch_namespaced_custom_object_status(**where, name=name, body={"status": {"run": run}})

    def job(self, namespace: str, name: str, run: int) -> str:
        """Create the Job of a run and return the name of the pod that the Job controller makes."""
        labels = child_labels(name, run)
        template = {
            "metadata": {"labels": labels},
            "spec": {
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 1,
                "containers": [{"name": "trainer", "image": "sandbox/busybox", "command": ["sleep", "600"]}],
            },
        }
        body = {"metadata": {"name": child_name(name, run), "labels": labels}, "spec": {"template": template}}
        self.batch.create_namespaced_job(namespace, body)
        selector = f"job-name={child_name(name, run)}"
        end = time.monotonic() + patience.SECONDS
        while True:
            for pod in self._pods(namespace, selector):
                return str(pod.metadata.name)
            assert time.monotonic() < end, f"Job {namespace}/{body['metadata']['name']} got no pod"
            time.sleep(0.1)

    def pod(self, namespace: str, name: str, labels: dict[str, str]) -> str:
        """Create a pod that no Job controls, though it is labelled like one."""
        spec = {"containers": [{"name": "trainer", "image": "sandbox/busybox", "command": ["sleep", "600"]}]}
        self.core.create_namespaced_pod(namespace, {"metadata": {"name": name, "labels": labels}, "spec": spec})
        return name

    def delete_pod(self, namespace: str, name: str) -> None:
        """Delete a pod and wait until it is gone."""
        self.core.delete_namespaced_pod(name, namespace, grace_period_seconds=0)
        end = time.monotonic() + patience.SECONDS
        while any(pod.metadata.name == name for pod in self._pods(namespace)):
            assert time.monotonic() < end, f"pod {namespace}/{name} is still there"
            time.sleep(0.1)

    def _pods(self, namespace: str, selector: str = "") -> list[Any]:
        found: Any = self.core.list_namespaced_pod(namespace, label_selector=selector)
        return list(found.items)

    def token(self, namespace: str, pod: str | None, audience: str = AUDIENCE, account: str = "default") -> str:
        """Return a token as the kubelet asks for it: for an audience, bound to a pod or, without one, to nothing."""
        bound = None
        if pod is not None:
            found: Any = self.core.read_namespaced_pod(pod, namespace)
            bound = {"kind": "Pod", "apiVersion": "v1", "name": pod, "uid": found.metadata.uid}
        spec = {"audiences": [audience], "expirationSeconds": 3600, "boundObjectRef": bound}
        request: Any = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        answer: Any = self.core.create_namespaced_service_account_token(account, namespace, request)
        return str(answer.status.token)


def forged(token: str, key_file: Path | None, **claims: Any) -> str:
    """Return the token with other claims, signed by the key in the file or, without one, by a stranger's."""
    header, payload, _ = token.split(".")
    changed = json.loads(_decoded(payload)) | claims
    if key_file is None:
        key: Any = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    else:
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    signed = f"{header}.{_encoded(json.dumps(changed).encode())}"
    signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{_encoded(signature)}"


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
