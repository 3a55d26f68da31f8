"""The Job of a run, as a pure function of the resource and the operator's settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from visionft_api.durations import parse_duration
from visionft_api.exit_codes import EXIT_CODES, ExitCode
from visionft_api.resource import VisionFineTune
from visionft_api.spec import VisionFineTuneSpec

from visionft_operator.build_env import TERMINATION_LOG, build_env
from visionft_operator.build_volumes import RUN_DIR, RUN_FILE, build_mounts, build_volumes
from visionft_operator.names import (
    ANNOTATION_SPEC_HASH,
    CHECK,
    CONTAINER,
    LABEL_PART,
    check_name,
    child_labels,
    child_name,
)
from visionft_operator.ownership import owner_reference

USER_ID = 10001
"""User and group of the trainer's image; the group also owns the volumes, so that results can be written."""

GRACE_SECONDS = 120
"""Time between SIGTERM and SIGKILL: enough to write a checkpoint of an adapter to a slow disk."""

RUN_COMMAND = ["visionft-trainer", "run", f"{RUN_DIR}/{RUN_FILE}"]
CHECK_COMMAND = ["visionft-trainer", "check", f"{RUN_DIR}/{RUN_FILE}", "--device", "cpu"]

FAIL_AT_ONCE = sorted(int(code) for code, known in EXIT_CODES.items() if not known.retried and code != ExitCode.SUCCESS)
"""Exit codes that trying again cannot mend."""


@dataclass(frozen=True)
class JobSettings:
    """What a Job needs that is not in the resource: the default image and where reports go."""

    trainer_image: str
    report_url: str


def build_job(resource: VisionFineTune, run: int, spec_hash: str, settings: JobSettings) -> dict[str, Any]:
    """Return the Job of run `run`, ready for server-side apply."""
    return _job(resource, run, spec_hash, settings, check=False)


def build_check_job(resource: VisionFineTune, run: int, spec_hash: str, settings: JobSettings) -> dict[str, Any]:
    """Return the Job that checks the data of run `run`: the same pod with another command and without GPUs."""
    resources = resource.spec.resources.model_copy(update={"gpus": 0})
    on_cpu = resource.spec.model_copy(update={"resources": resources})
    return _job(resource.model_copy(update={"spec": on_cpu}), run, spec_hash, settings, check=True)


def _job(resource: VisionFineTune, run: int, spec_hash: str, settings: JobSettings, *, check: bool) -> dict[str, Any]:
    metadata, spec = resource.metadata, resource.spec
    name = check_name(metadata.name, run) if check else child_name(metadata.name, run)
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
        "template": _pod(resource, run, settings, check=check),
    }
    if policy.active_deadline is not None:
        job["activeDeadlineSeconds"] = int(parse_duration(policy.active_deadline).total_seconds())
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": metadata.namespace,
            "labels": _labels(metadata.name, run, check=check),
            "annotations": {ANNOTATION_SPEC_HASH: spec_hash},
            "ownerReferences": [owner_reference(resource)],
        },
        "spec": job,
    }


def _labels(name: str, run: int, *, check: bool) -> dict[str, str]:
    return {**child_labels(name, run), **({LABEL_PART: CHECK} if check else {})}


def _pod(resource: VisionFineTune, run: int, settings: JobSettings, *, check: bool) -> dict[str, Any]:
    spec, template = resource.spec, resource.spec.pod_template
    image = template.image or settings.trainer_image
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
                "image": image,
                "command": CHECK_COMMAND if check else RUN_COMMAND,
                "env": build_env(resource, run, settings.report_url, image),
                "resources": _resources(spec),
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "terminationMessagePath": TERMINATION_LOG,
                "volumeMounts": build_mounts(spec),
            }
        ],
        "volumes": build_volumes(resource, run),
    }
    if template.node_selector:
        pod["nodeSelector"] = dict(template.node_selector)
    if template.tolerations:
        pod["tolerations"] = [toleration.to_json() for toleration in template.tolerations]
    if template.service_account_name is not None:
        pod["serviceAccountName"] = template.service_account_name
    if template.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": secret.name} for secret in template.image_pull_secrets]
    metadata: dict[str, Any] = {"labels": {**template.labels, **_labels(resource.metadata.name, run, check=check)}}
    if template.annotations:
        metadata["annotations"] = dict(template.annotations)
    return {"metadata": metadata, "spec": pod}


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
