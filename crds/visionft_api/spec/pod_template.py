"""`spec.podTemplate`: what a user may change on the trainer's pod, and no more."""

import re
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import Field

from visionft_api.base import ApiModel
from visionft_api.fields import DnsName, EnvName, Image, LabelValue, Size
from visionft_api.lists import ATOMIC, map_by
from visionft_api.rules import Rule, Value
from visionft_api.spec.refs import SecretRef

MAX_KEYS = 32
MAX_KEY_LENGTH = 317
"""A prefix of 253, "/" and a name of 63."""
RESERVED_ENV_PREFIXES = ("VISIONFT_", "KUBEFLOW_")
SECRET_ENV = {
    "HF_TOKEN": "spec.model.secretRef",
    "MLFLOW_TRACKING_PASSWORD": "spec.tracking.mlflow.secretRef",
    "MLFLOW_TRACKING_TOKEN": "spec.tracking.mlflow.secretRef",
    "WANDB_API_KEY": "spec.tracking.wandb.secretRef",
}
"""Variables that are secrets, and the field that takes each."""
RESERVED_KEY_PREFIXES = ("visionft.dev/", "batch.kubernetes.io/", "kueue.x-k8s.io/", "app.kubernetes.io/managed-by")
"""Labels and annotations by which the operator, the Job controller and Kueue find their pods."""

_KEY_FORM = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
_KEY = re.compile(_KEY_FORM)


def _reserved(keys: dict[str, str]) -> list[str]:
    return sorted(key for key in keys if key.startswith(RESERVED_KEY_PREFIXES))


def _malformed(keys: dict[str, str]) -> list[str]:
    return sorted(key for key in keys if len(key) > MAX_KEY_LENGTH or _KEY.fullmatch(key) is None)


_STARTS_RESERVED = " || ".join(f"k.startsWith('{prefix}')" for prefix in RESERVED_KEY_PREFIXES)
_IS_MALFORMED = f"k.size() > {MAX_KEY_LENGTH} || !k.matches(r'{_KEY_FORM}')"


def _key_rules(field: str) -> tuple[Rule, Rule]:
    """The two rules for the keys of a map of the pod's metadata."""
    attribute = {"labels": "labels", "annotations": "annotations", "nodeSelector": "node_selector"}[field]
    return (
        Rule(
            cel=f"!self.{field}.exists(k, {_STARTS_RESERVED})",
            holds=lambda m: not _reserved(getattr(m, attribute)),
            message=f'{field} key "{{key}}" is reserved for the operator; use a prefix of your own',
            at=field,
            values={
                "key": Value(
                    f"self.{field}.map(k, k).filter(k, {_STARTS_RESERVED}).sort()[0]",
                    lambda m: _reserved(getattr(m, attribute))[0],
                )
            },
        ),
        Rule(
            cel=f"!self.{field}.exists(k, {_IS_MALFORMED})",
            holds=lambda m: not _malformed(getattr(m, attribute)),
            message=f'{field} key "{{key}}" is not of the form name or prefix/name, such as "example.com/team"',
            at=field,
            values={
                "key": Value(
                    f"self.{field}.map(k, k).filter(k, {_IS_MALFORMED}).sort()[0]",
                    lambda m: _malformed(getattr(m, attribute))[0],
                )
            },
        ),
    )


class Toleration(ApiModel):
    """A taint that the pod may live with."""

    key: Annotated[str, Field(min_length=1, max_length=MAX_KEY_LENGTH)] | None = Field(
        default=None, description="Key of the taint. Absent, with operator Exists: every taint."
    )
    operator: Literal["Exists", "Equal"] = Field(default="Equal", description="Exists, or Equal to value.")
    value: LabelValue | None = Field(default=None, description="Value of the taint, for operator Equal.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Effect of the taint. Absent: every effect."
    )
    toleration_seconds: int | None = Field(
        default=None, ge=0, le=31_536_000, description="Seconds that a NoExecute taint is tolerated. Absent: for ever."
    )

    rules = (
        Rule(
            cel="self.operator != 'Exists' || !has(self.value)",
            holds=lambda m: m.operator != "Exists" or m.value is None,
            message='operator Exists takes no value ("{value}"); remove value or set operator to Equal',
            at="value",
        ),
        Rule(
            cel="self.operator != 'Equal' || has(self.key)",
            holds=lambda m: m.operator != "Equal" or m.key is not None,
            message="operator Equal needs key; set key, or set operator to Exists to tolerate every taint",
        ),
        Rule(
            cel="!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
            holds=lambda m: m.toleration_seconds is None or m.effect == "NoExecute",
            message="tolerationSeconds {tolerationSeconds} is only for effect NoExecute; set effect or remove it",
            at="tolerationSeconds",
        ),
    )


def _is_not(name: str) -> Callable[["EnvVar"], bool]:
    return lambda m: m.name != name


class EnvVar(ApiModel):
    """An environment variable of the trainer."""

    name: EnvName = Field(description="Name of the variable.")
    value: str = Field(default="", max_length=4096, description="Value. Secrets do not belong here.")

    rules = (
        Rule(
            cel=" && ".join(f"!self.name.startsWith('{prefix}')" for prefix in RESERVED_ENV_PREFIXES),
            holds=lambda m: not m.name.startswith(RESERVED_ENV_PREFIXES),
            message='env name "{name}" is reserved: names that start with VISIONFT_ or KUBEFLOW_ are set by the '
            "operator; use another name",
            at="name",
        ),
        *(
            Rule(
                cel=f"self.name != '{secret}'",
                holds=_is_not(secret),
                message=f"{secret} here could be read by everyone who can read the resource; put it in a Secret and "
                f"name that in {field}",
                at="name",
            )
            for secret, field in SECRET_ENV.items()
        ),
    )


class PodTemplateSpec(ApiModel):
    """Bounded overrides of the trainer's pod."""

    image: Image | None = Field(
        default=None, description="Trainer image. Absent: the one that the operator was set up with."
    )
    labels: Annotated[dict[str, LabelValue], Field(max_length=MAX_KEYS)] = Field(
        default={}, description="Labels for the pod."
    )
    annotations: Annotated[dict[str, Annotated[str, Field(max_length=4096)]], Field(max_length=MAX_KEYS)] = Field(
        default={}, description="Annotations for the pod."
    )
    node_selector: Annotated[dict[str, LabelValue], Field(max_length=MAX_KEYS)] = Field(
        default={}, description="Labels that the node must have."
    )
    tolerations: Annotated[list[Toleration], Field(max_length=32), ATOMIC] = Field(
        default=[], description="Taints that the pod may live with."
    )
    service_account_name: DnsName | None = Field(
        default=None, description="Service account of the pod. Absent: default. It needs no rights at all."
    )
    image_pull_secrets: Annotated[
        list[SecretRef],
        Field(max_length=8),
        map_by("name"),
    ] = Field(default=[], description="Secrets to pull the image with.")
    env: Annotated[
        list[EnvVar],
        Field(max_length=64),
        map_by("name"),
    ] = Field(default=[], description="Environment variables for the trainer.")
    workspace_size_limit: Size | None = Field(
        default=None,
        description="Most that the pod's scratch may grow to where spec.output.pvc is absent; beyond it the pod is "
        "evicted. Absent: what the node has.",
    )

    rules = (*_key_rules("labels"), *_key_rules("annotations"), _key_rules("nodeSelector")[1])
