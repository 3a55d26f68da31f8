"""The environment of the trainer's container, as a pure function of the resource and the operator's settings."""

from __future__ import annotations

from typing import Any

from visionft_api.resource import VisionFineTune
from visionft_api.spec import DataSource, SecretRef, VisionFineTuneSpec

from visionft_operator.build_volumes import CA_FILE, CONFIG_MAP_ROOT, PVC_ROOT, RUN_DIR, TMP_DIR, TOKEN_DIR

TERMINATION_LOG = "/dev/termination-log"

SECRET_KEYS: dict[str, tuple[tuple[str, bool], ...]] = {
    "hub": (("HF_TOKEN", False),),
    "s3": (("AWS_ACCESS_KEY_ID", False), ("AWS_SECRET_ACCESS_KEY", False), ("AWS_SESSION_TOKEN", True)),
    "http": (("AUTHORIZATION", False),),
}
"""Keys of the Secret that a source of rows names, and whether one may be absent."""


def build_env(resource: VisionFineTune, run: int, report_url: str) -> list[dict[str, Any]]:
    """Defaults that a user may override, the user's, and what must not be overridden, in this order.

    `report_url` is where the report server is.
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
        # Any image that uses transformers' callback reports with these three.
        "KUBEFLOW_TRAINER_SERVER_URL": url,
        "KUBEFLOW_TRAINER_SERVER_CA_CERT": ca,
        "KUBEFLOW_TRAINER_SERVER_TOKEN": token,
    }
    if spec.resources.gpus > 1:
        env["VISIONFT_PROCESSES"] = str(spec.resources.gpus)  # the trainer starts one for each GPU
    secrets = _secrets(spec)
    named = {secret["name"] for secret in secrets}
    return [{"name": name, "value": value} for name, value in env.items() if name not in named] + secrets


def _secrets(spec: VisionFineTuneSpec) -> list[dict[str, Any]]:
    """Variables that come from Secrets. Each source of rows has its own: two may need different tokens."""
    entries = []
    if spec.model.secret_ref is not None:
        entries.append(_from_secret("HF_TOKEN", spec.model.secret_ref, "HF_TOKEN", optional=False))
    for split, source in (("TRAIN", spec.dataset.train), ("VALIDATION", spec.dataset.validation)):
        kind, secret = _secret_of(source)
        if secret is not None:
            entries += [
                _from_secret(f"VISIONFT_SECRET_{split}_{key}", secret, key, optional=optional)
                for key, optional in SECRET_KEYS[kind]
            ]
    return entries


def _secret_of(source: DataSource | None) -> tuple[str, SecretRef | None]:
    """The kind of a source and the Secret that it names."""
    if source is not None:
        for kind, part in (("hub", source.hub), ("s3", source.s3), ("http", source.http)):
            if part is not None:
                return kind, part.secret_ref
    return "", None


def _from_secret(name: str, secret: SecretRef, key: str, *, optional: bool) -> dict[str, Any]:
    reference: dict[str, Any] = {"name": secret.name, "key": key}
    if optional:
        reference["optional"] = True
    return {"name": name, "valueFrom": {"secretKeyRef": reference}}
