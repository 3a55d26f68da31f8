"""How the Secrets that a spec names reach the trainer, as pure functions of the spec.

Each use has variables of its own, because two places may need different tokens. A Secret that is missing keeps the
container from being created, so that it is told before anything is trained: by a key that must be there, or by a
volume where every key is optional.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from visionft_api.spec import DataSource, SecretRef, VisionFineTuneSpec

SECRETS_DIR = "/var/run/secrets/visionft"
DOCKER_CONFIG_KEY = ".dockerconfigjson"
DOCKER_CONFIG_FILE = "config.json"
"""As the tools for registries call the same text in a home folder."""

Keys = tuple[tuple[str, bool], ...]
"""Keys of a Secret, and whether each may be absent."""

HUB_KEYS: Keys = (("HF_TOKEN", False),)
S3_KEYS: Keys = (("AWS_ACCESS_KEY_ID", False), ("AWS_SECRET_ACCESS_KEY", False), ("AWS_SESSION_TOKEN", True))
HTTP_KEYS: Keys = (("AUTHORIZATION", False),)
WANDB_KEYS: Keys = (("WANDB_API_KEY", False),)
MLFLOW_KEYS: Keys = (
    ("MLFLOW_TRACKING_USERNAME", True),
    ("MLFLOW_TRACKING_PASSWORD", True),
    ("MLFLOW_TRACKING_TOKEN", True),
)


@dataclass(frozen=True)
class _Use:
    """A Secret, what it is for, and the keys that become variables."""

    field: str
    """Of the spec, that names it."""
    secret: SecretRef
    keys: Keys
    prefix: str = ""
    """Of the variables' names. Without one they are those that a library reads by itself."""


@dataclass(frozen=True)
class _Mount:
    """A Secret that is mounted as files."""

    name: str
    field: str
    secret: SecretRef
    items: tuple[tuple[str, str], ...] = ()
    """Keys and the files that they become; none: every key under its own name."""

    @property
    def volume(self) -> str:
        """Name of its volume."""
        return f"secret-{self.name}"


@dataclass(frozen=True)
class NamedSecret:
    """A field of the spec that names a Secret, and the keys that this must have; of `any_of` one will do."""

    field: str
    secret: str
    keys: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    volume: str = ""
    """That it is mounted by; a node that misses a key may name this alone."""


def named_secrets(spec: VisionFineTuneSpec) -> list[NamedSecret]:
    """What the spec expects of the namespace's Secrets."""
    found = []
    for use in _uses(spec):
        must = tuple(key for key, optional in use.keys if not optional)
        any_of = () if must else tuple(key for key, _ in use.keys)
        found.append(NamedSecret(use.field, use.secret.name, must, any_of))
    for mount in _mounts(spec):
        if mount.items:
            keys = tuple(key for key, _ in mount.items)
            found.append(NamedSecret(mount.field, mount.secret.name, keys, volume=mount.volume))
    return found


def secret_env(spec: VisionFineTuneSpec) -> list[dict[str, Any]]:
    """Variables that come from Secrets, and those that say where a mounted one is."""
    entries = [
        _from_secret(f"{use.prefix}{key}", use.secret, key, optional=optional)
        for use in _uses(spec)
        for key, optional in use.keys
    ]
    if spec.output.oci is not None and spec.output.oci.secret_ref is not None:
        file = f"{SECRETS_DIR}/registry/{DOCKER_CONFIG_FILE}"
        entries.append({"name": "VISIONFT_SECRET_OUTPUT_OCI_DOCKERCONFIGJSON", "value": file})
    return entries


def secret_mounts(spec: VisionFineTuneSpec) -> list[dict[str, Any]]:
    """Where mounted Secrets are."""
    return [
        {"name": mount.volume, "mountPath": f"{SECRETS_DIR}/{mount.name}", "readOnly": True} for mount in _mounts(spec)
    ]


def secret_volumes(spec: VisionFineTuneSpec) -> list[dict[str, Any]]:
    """The volumes of mounted Secrets."""
    volumes = []
    for mount in _mounts(spec):
        source: dict[str, Any] = {"secretName": mount.secret.name}
        if mount.items:
            source["items"] = [{"key": key, "path": path} for key, path in mount.items]
        volumes.append({"name": mount.volume, "secret": source})
    return volumes


def _uses(spec: VisionFineTuneSpec) -> Iterator[_Use]:
    if spec.model.secret_ref is not None:
        yield _Use("spec.model.secretRef", spec.model.secret_ref, HUB_KEYS)
    rows = (
        ("TRAIN", "spec.dataset.train", spec.dataset.train),
        ("VALIDATION", "spec.dataset.validation", spec.dataset.validation),
        ("GENERAL", "spec.evaluation.general", spec.evaluation.general),
    )
    for name, field, source in rows:
        if (found := _of_source(source)) is not None:
            part, secret, keys = found
            yield _Use(f"{field}.{part}.secretRef", secret, keys, f"VISIONFT_SECRET_{name}_")
    output, tracking = spec.output, spec.tracking
    if output.s3 is not None and output.s3.secret_ref is not None:
        yield _Use("spec.output.s3.secretRef", output.s3.secret_ref, S3_KEYS, "VISIONFT_SECRET_OUTPUT_S3_")
    if output.hub is not None:
        yield _Use("spec.output.hub.secretRef", output.hub.secret_ref, HUB_KEYS, "VISIONFT_SECRET_OUTPUT_HUB_")
    if tracking.mlflow is not None and tracking.mlflow.secret_ref is not None:
        yield _Use("spec.tracking.mlflow.secretRef", tracking.mlflow.secret_ref, MLFLOW_KEYS)
    if tracking.wandb is not None and tracking.wandb.secret_ref is not None:
        yield _Use("spec.tracking.wandb.secretRef", tracking.wandb.secret_ref, WANDB_KEYS)


def _of_source(source: DataSource | None) -> tuple[str, SecretRef, Keys] | None:
    """Which part of a source of rows names a Secret, that, and its keys."""
    if source is not None:
        parts = (("hub", source.hub, HUB_KEYS), ("s3", source.s3, S3_KEYS), ("http", source.http, HTTP_KEYS))
        for name, part, keys in parts:
            if part is not None and part.secret_ref is not None:
                return name, part.secret_ref, keys
    return None


def _mounts(spec: VisionFineTuneSpec) -> Iterator[_Mount]:
    oci, mlflow = spec.output.oci, spec.tracking.mlflow
    if oci is not None and oci.secret_ref is not None:
        items = ((DOCKER_CONFIG_KEY, DOCKER_CONFIG_FILE),)
        yield _Mount("registry", "spec.output.oci.secretRef", oci.secret_ref, items)
    if mlflow is not None and mlflow.secret_ref is not None:
        # All its keys are optional, and a pod would start without the Secret; a volume holds it back.
        yield _Mount("mlflow", "spec.tracking.mlflow.secretRef", mlflow.secret_ref)


def _from_secret(name: str, secret: SecretRef, key: str, *, optional: bool) -> dict[str, Any]:
    reference: dict[str, Any] = {"name": secret.name, "key": key}
    if optional:
        reference["optional"] = True
    return {"name": name, "valueFrom": {"secretKeyRef": reference}}
