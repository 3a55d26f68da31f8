"""The environment of the trainer's container, as a pure function of the resource and the operator's settings."""

from __future__ import annotations

from typing import Any

from visionft_api.resource import VisionFineTune

from visionft_operator.build_secrets import secret_env
from visionft_operator.build_volumes import (
    CA_FILE,
    CONFIG_MAP_ROOT,
    PVC_ROOT,
    RUN_DIR,
    TMP_DIR,
    TOKEN_DIR,
    WORKSPACE_DIR,
)

TERMINATION_LOG = "/dev/termination-log"


def build_env(resource: VisionFineTune, run: int, report_url: str, image: str) -> list[dict[str, Any]]:
    """Defaults that a user may override, the user's, and what must not be overridden, in this order.

    `report_url` is where the report server is, `image` what the container runs, which provenance names.
    """
    spec = resource.spec
    url = (
        f"{report_url}/apis/visionft.dev/v1alpha1/namespaces/{resource.metadata.namespace}"
        f"/visionfinetunes/{resource.metadata.name}/runs/{run}/report"
    )
    token, ca = f"{TOKEN_DIR}/token", f"{RUN_DIR}/{CA_FILE}"
    env: dict[str, str | None] = {"HOME": TMP_DIR, "TMPDIR": TMP_DIR, "HF_HOME": f"{TMP_DIR}/hf"}
    env |= {variable.name: variable.value for variable in spec.pod_template.env}
    env |= {
        "VISIONFT_PVC_ROOT": PVC_ROOT,
        "VISIONFT_CONFIGMAP_ROOT": CONFIG_MAP_ROOT,
        "VISIONFT_REPORT_URL": url,
        "VISIONFT_REPORT_TOKEN_FILE": token,
        "VISIONFT_REPORT_CA_FILE": ca,
        "VISIONFT_TERMINATION_LOG": TERMINATION_LOG,
        "VISIONFT_IMAGE": image,
        # Any image that uses transformers' callback reports with these three.
        "KUBEFLOW_TRAINER_SERVER_URL": url,
        "KUBEFLOW_TRAINER_SERVER_CA_CERT": ca,
        "KUBEFLOW_TRAINER_SERVER_TOKEN": token,
    }
    if spec.output.pvc is None:
        env["VISIONFT_WORKSPACE"] = WORKSPACE_DIR
    if spec.resources.gpus > 1:
        env["VISIONFT_PROCESSES"] = str(spec.resources.gpus)  # the trainer starts one for each GPU
    secrets = secret_env(spec)
    named = {secret["name"] for secret in secrets}
    return [{"name": name, "value": value} for name, value in env.items() if name not in named] + secrets
