"""The Job of a run, as a pure function of the resource and the operator's settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from visionft_api.durations import parse_duration
from visionft_api.exit_codes import EXIT_CODES, ExitCode
from visionft_api.resource import VisionFineTune
from visionft_api.spec import VisionFineTuneSpec

from visionft_operator.claims import claims_of, output_claim_of
from visionft_operator.ingest.token_review import AUDIENCE
from visionft_operator.names import ANNOTATION_SPEC_HASH, CONTAINER, child_labels, child_name
from visionft_operator.ownership import owner_reference

USER_ID = 10001
"""User and group of the trainer's image; the group also owns the volumes, so that results can be written."""

GRACE_SECONDS = 120
"""Time between SIGTERM and SIGKILL: enough to write a checkpoint of an adapter to a slow disk."""

TOKEN_SECONDS = 3600

RUN_DIR = "/etc/visionft/run"
TOKEN_DIR = "/var/run/secrets/visionft/token"  # noqa: S105 - a folder
PVC_ROOT = "/mnt/visionft/pvc"
TMP_DIR = "/tmp"  # noqa: S108 - an emptyDir of the pod's own
SHM_DIR = "/dev/shm"  # noqa: S108 - an emptyDir in memory of the pod's own
TERMINATION_LOG = "/dev/termination-log"

FAIL_AT_ONCE = sorted(int(code) for code, known in EXIT_CODES.items() if not known.retried and code != ExitCode.SUCCESS)
"""Exit codes that trying again cannot mend."""

RUN_FILE = "run.json"
CA_FILE = "ca.crt"


@dataclass(frozen=True)
class JobSettings:
    """What a Job needs that is not in the resource: the default image and where reports go."""

    trainer_image: str
    report_url: str


def build_job(resource: VisionFineTune, run: int, spec_hash: str, settings: JobSettings) -> dict[str, Any]:
    """Return the Job of run `run`, ready for server-side apply."""
    metadata, spec = resource.metadata, resource.spec
    policy = spec.run_policy
    job: dict[str, Any] = {
        "backoffLimit": policy.backoff_limit,
        "completions": 1,
        "parallelism": 1,
        # A replacement only once the old pod has ended: two pods must never write to one output folder.
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {
            "rules": [
                {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                {
                    "action": "FailJob",
                    "onExitCodes": {
                        "containerName": CONTAINER,
                        "operator": "In",
                        "values": FAIL_AT_ONCE,
                    },
                },
            ]
        },
        "suspend": policy.suspend,
        "template": _pod(resource, run, settings),
    }
    if policy.active_deadline is not None:
        job["activeDeadlineSeconds"] = int(parse_duration(policy.active_deadline).total_seconds())
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": child_name(metadata.name, run),
            "namespace": metadata.namespace,
            "labels": child_labels(metadata.name, run),
            "annotations": {ANNOTATION_SPEC_HASH: spec_hash},
            "ownerReferences": [owner_reference(resource)],
        },
        "spec": job,
    }


def _pod(resource: VisionFineTune, run: int, settings: JobSettings) -> dict[str, Any]:
    spec, template = resource.spec, resource.spec.pod_template
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": CONTAINER,
                "image": template.image or settings.trainer_image,
                "command": ["visionft-trainer", "run", f"{RUN_DIR}/{RUN_FILE}"],
                "env": _env(resource, run, settings),
                "resources": _resources(spec),
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "terminationMessagePath": TERMINATION_LOG,
                "volumeMounts": _mounts(spec),
            }
        ],
        "volumes": _volumes(resource, run),
    }
    if template.node_selector:
        pod["nodeSelector"] = dict(template.node_selector)
    if template.tolerations:
        pod["tolerations"] = [toleration.to_json() for toleration in template.tolerations]
    if template.service_account_name is not None:
        pod["serviceAccountName"] = template.service_account_name
    if template.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": secret.name} for secret in template.image_pull_secrets]
    metadata: dict[str, Any] = {"labels": {**template.labels, **child_labels(resource.metadata.name, run)}}
    if template.annotations:
        metadata["annotations"] = dict(template.annotations)
    return {"metadata": metadata, "spec": pod}


def _env(resource: VisionFineTune, run: int, settings: JobSettings) -> list[dict[str, Any]]:
    """Defaults that a user may override, the user's, and what must not be overridden, in this order."""
    url = (
        f"{settings.report_url}/apis/visionft.dev/v1alpha1/namespaces/{resource.metadata.namespace}"
        f"/visionfinetunes/{resource.metadata.name}/runs/{run}/report"
    )
    token, ca = f"{TOKEN_DIR}/token", f"{RUN_DIR}/{CA_FILE}"
    env: dict[str, Any] = {"HOME": TMP_DIR, "HF_HOME": f"{TMP_DIR}/hf"}
    env |= {variable.name: variable.value for variable in resource.spec.pod_template.env}
    env |= {
        "VISIONFT_PVC_ROOT": PVC_ROOT,
        "VISIONFT_REPORT_URL": url,
        "VISIONFT_REPORT_TOKEN_FILE": token,
        "VISIONFT_REPORT_CA_FILE": ca,
        "VISIONFT_TERMINATION_LOG": TERMINATION_LOG,
        # Any image that uses transformers' callback reports with these three.
        "KUBEFLOW_TRAINER_SERVER_URL": url,
        "KUBEFLOW_TRAINER_SERVER_CA_CERT": ca,
        "KUBEFLOW_TRAINER_SERVER_TOKEN": token,
    }
    entries: list[dict[str, Any]] = [{"name": name, "value": value} for name, value in env.items()]
    secret = resource.spec.model.secret_ref
    if secret is not None:
        entries = [entry for entry in entries if entry["name"] != "HF_TOKEN"]
        reference = {"secretKeyRef": {"name": secret.name, "key": "HF_TOKEN"}}
        entries.append({"name": "HF_TOKEN", "valueFrom": reference})
    return entries


def _resources(spec: VisionFineTuneSpec) -> dict[str, Any]:
    wanted = spec.resources
    requests: dict[str, str] = {}
    limits: dict[str, str] = {}
    if wanted.cpu is not None:
        requests["cpu"] = wanted.cpu  # no limit: throttled data loaders starve the GPU
    if wanted.memory is not None:
        requests["memory"] = limits["memory"] = wanted.memory
    if wanted.gpus:
        limits[wanted.gpu_resource_name] = str(wanted.gpus)
    return {name: value for name, value in (("requests", requests), ("limits", limits)) if value}


def _mounts(spec: VisionFineTuneSpec) -> list[dict[str, Any]]:
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
    return mounts


def _volumes(resource: VisionFineTune, run: int) -> list[dict[str, Any]]:
    shm: dict[str, Any] = {"medium": "Memory"}
    if resource.spec.resources.shared_memory is not None:
        shm["sizeLimit"] = resource.spec.resources.shared_memory
    token = {"audience": AUDIENCE, "expirationSeconds": TOKEN_SECONDS, "path": "token"}
    volumes: list[dict[str, Any]] = [
        {"name": "run", "configMap": {"name": child_name(resource.metadata.name, run)}},
        {"name": "token", "projected": {"sources": [{"serviceAccountToken": token}]}},
        {"name": "tmp", "emptyDir": {}},
        {"name": "shm", "emptyDir": shm},
    ]
    for index, claim in enumerate(claims_of(resource.spec)):
        volumes.append({"name": f"claim-{index}", "persistentVolumeClaim": {"claimName": claim}})
    return volumes
