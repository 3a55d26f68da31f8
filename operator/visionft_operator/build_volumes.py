"""The volumes of the trainer's pod and where its container has them, as pure functions of the resource."""

from __future__ import annotations

from typing import Any

from visionft_api.resource import VisionFineTune
from visionft_api.spec import DataSource, VisionFineTuneSpec

from visionft_operator.build_secrets import SECRETS_DIR, secret_mounts, secret_volumes
from visionft_operator.claims import claims_of, output_claim_of
from visionft_operator.ingest.token_review import AUDIENCE
from visionft_operator.names import child_name

TOKEN_SECONDS = 3600

RUN_DIR = "/etc/visionft/run"
RUN_FILE = "run.json"
CA_FILE = "ca.crt"
TOKEN_DIR = f"{SECRETS_DIR}/token"
PVC_ROOT = "/mnt/visionft/pvc"
CONFIG_MAP_ROOT = "/mnt/visionft/configmap"
WORKSPACE_DIR = "/mnt/visionft/workspace"
"""Where a run works that has no claim to write to."""
TMP_DIR = "/tmp"  # noqa: S108 - an emptyDir of the pod's own
SHM_DIR = "/dev/shm"  # noqa: S108 - an emptyDir in memory of the pod's own


def build_mounts(spec: VisionFineTuneSpec) -> list[dict[str, Any]]:
    """What the container sees; only its own scratch and the output's claim or workspace can be written."""
    mounts: list[dict[str, Any]] = [
        {"name": "run", "mountPath": RUN_DIR, "readOnly": True},
        {"name": "token", "mountPath": TOKEN_DIR, "readOnly": True},
        {"name": "tmp", "mountPath": TMP_DIR},
        {"name": "shm", "mountPath": SHM_DIR},
    ]
    for index, claim in enumerate(claims_of(spec)):
        mount: dict[str, Any] = {"name": f"claim-{index}", "mountPath": f"{PVC_ROOT}/{claim}"}
        if claim != output_claim_of(spec):
            mount["readOnly"] = True
        mounts.append(mount)
    for index, name in enumerate(_config_maps_of(spec)):
        mounts.append({"name": f"configmap-{index}", "mountPath": f"{CONFIG_MAP_ROOT}/{name}", "readOnly": True})
    if spec.output.pvc is None:
        mounts.append({"name": "workspace", "mountPath": WORKSPACE_DIR})
    return mounts + secret_mounts(spec)


def build_volumes(resource: VisionFineTune, run: int) -> list[dict[str, Any]]:
    """What is mounted."""
    spec = resource.spec
    shm: dict[str, Any] = {"medium": "Memory"}
    if spec.resources.shared_memory is not None:
        shm["sizeLimit"] = spec.resources.shared_memory
    token = {"audience": AUDIENCE, "expirationSeconds": TOKEN_SECONDS, "path": "token"}
    volumes: list[dict[str, Any]] = [
        {"name": "run", "configMap": {"name": child_name(resource.metadata.name, run)}},
        {"name": "token", "projected": {"sources": [{"serviceAccountToken": token}]}},
        {"name": "tmp", "emptyDir": {}},
        {"name": "shm", "emptyDir": shm},
    ]
    for index, claim in enumerate(claims_of(spec)):
        volumes.append({"name": f"claim-{index}", "persistentVolumeClaim": {"claimName": claim}})
    for index, name in enumerate(_config_maps_of(spec)):
        volumes.append({"name": f"configmap-{index}", "configMap": {"name": name}})
    if spec.output.pvc is None:
        limit = spec.pod_template.workspace_size_limit
        volumes.append({"name": "workspace", "emptyDir": {} if limit is None else {"sizeLimit": limit}})
    return volumes + secret_volumes(spec)


def _config_maps_of(spec: VisionFineTuneSpec) -> tuple[str, ...]:
    """Names of the ConfigMaps that hold rows, each once."""
    sources = (spec.dataset.train, spec.dataset.validation, spec.evaluation.general)
    names = [_config_map(source) for source in sources]
    return tuple(dict.fromkeys(name for name in names if name is not None))


def _config_map(source: DataSource | None) -> str | None:
    return source.config_map.name if source and source.config_map else None
