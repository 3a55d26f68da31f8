"""The resource as a whole."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from visionft_api import API_VERSION, KIND
from visionft_api.base import ApiModel
from visionft_api.fields import DnsLabel, DnsName
from visionft_api.rules import Rule
from visionft_api.spec import VisionFineTuneSpec
from visionft_api.status import VisionFineTuneStatus
from visionft_api.timestamps import Timestamp

MAX_NAME_LENGTH = 50
"""Leaves room for "-run-N" and a pod's suffix within the 63 characters of a label."""


class ObjectMeta(ApiModel):
    """The part of Kubernetes' metadata that we read. The rest is kept as it is."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow", frozen=True, strict=True)

    name: DnsName = ""
    generate_name: str | None = None
    namespace: DnsLabel | None = None
    uid: str = ""
    generation: int | None = None
    resource_version: str | None = None
    creation_timestamp: Timestamp | None = None
    deletion_timestamp: Timestamp | None = None
    labels: dict[str, str] = Field(default={})
    annotations: dict[str, str] = Field(default={})


class VisionFineTune(ApiModel):
    """A fine-tuning of a vision-language model: what is tuned, on what, and how it went."""

    api_version: Literal["visionft.dev/v1alpha1"] = API_VERSION
    kind: Literal["VisionFineTune"] = KIND
    metadata: ObjectMeta
    spec: VisionFineTuneSpec = Field(description="What is wanted.")
    status: Annotated[VisionFineTuneStatus, Field(description="What is known.")] = VisionFineTuneStatus()

    rules = (
        Rule(
            cel=f"self.metadata.name.size() <= {MAX_NAME_LENGTH}",
            holds=lambda m: len(m.metadata.name) <= MAX_NAME_LENGTH,
            message=f'metadata.name "{{metadata.name}}" is longer than {MAX_NAME_LENGTH} characters, which leaves no '
            "room for the names of its Jobs; choose a shorter one",
            at="metadata.name",
        ),
        Rule(
            cel="!self.metadata.name.contains('.')",
            holds=lambda m: "." not in m.metadata.name,
            message='metadata.name "{metadata.name}" holds a ".", which the names of its Jobs may not; use "-"',
            at="metadata.name",
        ),
    )
