"""The Node object: what it offers and that it is alive."""

import platform
from datetime import datetime
from typing import Any

from sandbox.node.status import NODE_IP, timestamp

KUBELET_VERSION = "v1.36.3"
GPU = "nvidia.com/gpu"
PODS = "110"
HEALTHY = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)


def node_resources(cpu: str, memory: str, gpus: int) -> dict[str, str]:
    """Capacity, all of it allocatable."""
    return {"cpu": cpu, "memory": memory, "pods": PODS, "ephemeral-storage": "100Gi", GPU: str(gpus)}


def node_object(name: str) -> dict[str, Any]:
    """What is created once; the rest is status."""
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": _architecture(),
        "node.kubernetes.io/instance-type": "sandbox",
    }
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}


def node_status(resources: dict[str, str], log_port: int, since: datetime, now: datetime) -> dict[str, Any]:
    """The node's status; `since` is when its conditions took their present value."""
    return {
        "capacity": resources,
        "allocatable": resources,
        "conditions": [
            {
                "type": kind,
                "status": status,
                "reason": reason,
                "message": message,
                "lastHeartbeatTime": timestamp(now),
                "lastTransitionTime": timestamp(since),
            }
            for kind, status, reason, message in HEALTHY
        ],
        # No Hostname: the API server would prefer it for logs, and it resolves to nothing.
        "addresses": [{"type": "InternalIP", "address": NODE_IP}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": log_port}},
        "nodeInfo": {
            "architecture": _architecture(),
            "bootID": "",
            "containerRuntimeVersion": "sandbox://1",
            "kernelVersion": platform.release(),
            "kubeProxyVersion": "",
            "kubeletVersion": KUBELET_VERSION,
            "machineID": "",
            "operatingSystem": "linux",
            "osImage": "visionft sandbox",
            "systemUUID": "",
        },
    }


def _architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
