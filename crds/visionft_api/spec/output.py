"""`spec.output`: what a run leaves, and where."""

from typing import Literal

from pydantic import Field

from visionft_api.base import ApiModel
from visionft_api.fields import (
    HUB_ID_PATTERN,
    REPOSITORY_PATTERN,
    SIZE_PATTERN,
    Bucket,
    ClaimPath,
    DnsName,
    Revision,
    Size,
    Url,
)
from visionft_api.quantities import parse_size
from visionft_api.rules import Rule, malformed
from visionft_api.spec.refs import SecretRef

LEAST_SHARD = "1Mi"
"""Below this a model would be thousands of files."""


class PvcOutput(ApiModel):
    """A folder on a persistent volume claim of the same namespace."""

    claim_name: DnsName = Field(description="Name of the PersistentVolumeClaim.")
    path: ClaimPath | None = Field(
        default=None,
        description="Folder, relative to the claim's root; each run gets run-N below it. Absent: the resource's name.",
    )


class S3Output(ApiModel):
    """A prefix in an S3 bucket."""

    endpoint: Url | None = Field(default=None, description="Address of the S3 service. Absent: AWS.")
    bucket: Bucket = Field(description="Name of the bucket.")
    prefix: str = Field(default="", max_length=512, description="Key prefix; each run gets run-N below it.")
    secret_ref: SecretRef | None = Field(
        default=None,
        description="Secret with the keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, optional AWS_SESSION_TOKEN.",
    )


class OciOutput(ApiModel):
    """A repository of an OCI registry."""

    repository: str = Field(
        pattern=REPOSITORY_PATTERN, min_length=1, max_length=255, description="Repository that is pushed to."
    )
    secret_ref: SecretRef | None = Field(default=None, description="Secret of type kubernetes.io/dockerconfigjson.")


class HubOutput(ApiModel):
    """A repository on the Hugging Face hub."""

    repo: str = Field(
        pattern=HUB_ID_PATTERN,
        min_length=1,
        max_length=200,
        description="Name of the repository, with its owner; made when it is not there.",
    )
    revision: Revision | None = Field(default=None, description="Branch that is written to. Absent: main.")
    private: bool = Field(default=True, description="Make a new repository private.")
    secret_ref: SecretRef = Field(description="Secret whose key HF_TOKEN may write to the repository.")

    rules = (
        Rule(
            cel="self.repo.contains('/')",
            holds=lambda m: "/" in m.repo,
            message='repo "{repo}" does not say whose it is; write OWNER/NAME',
            at="repo",
        ),
    )


class OutputSpec(ApiModel):
    """Where the results go: one or more of pvc, s3, oci and hub, each of which gets them all."""

    pvc: PvcOutput | None = Field(
        default=None,
        description="A folder on a PersistentVolumeClaim. The run works there, so that an interrupted one goes on; "
        "absent, it works in the pod's own scratch and an interrupted run begins anew.",
    )
    s3: S3Output | None = Field(default=None, description="A prefix in an S3 bucket.")
    oci: OciOutput | None = Field(default=None, description="A repository of an OCI registry.")
    hub: HubOutput | None = Field(default=None, description="A repository on the Hugging Face hub.")
    adapter: bool = Field(default=True, description="Keep the adapter on its own.")
    merged: bool = Field(default=False, description="Keep the whole model with the adapter merged in.")
    merge_base: Literal["Dequantized", "Original"] = Field(
        default="Dequantized",
        description="What the adapter is merged into. Dequantized: the weights that it was trained on, so that what is "
        "shipped answers as what was trained. Original: the 16-bit weights; how far that is from the trained model is "
        "measured and told.",
    )
    max_shard_size: Size = Field(default="5Gi", description="Largest file of a merged model's weights.")

    rules = (
        Rule(
            cel="has(self.pvc) || has(self.s3) || has(self.oci) || has(self.hub)",
            holds=lambda m: any(part is not None for part in (m.pvc, m.s3, m.oci, m.hub)),
            message="the results have nowhere to go; set one or more of pvc, s3, oci and hub",
        ),
        Rule(
            cel="self.adapter || self.merged",
            holds=lambda m: m.adapter or m.merged,
            message="adapter and merged are both false, so the run would leave nothing; set one to true",
        ),
        Rule(
            cel="self.mergeBase == 'Dequantized' || self.merged",
            holds=lambda m: m.merge_base == "Dequantized" or m.merged,
            message="mergeBase {mergeBase} has no effect while merged is false; set merged to true or remove it",
            at="mergeBase",
        ),
        Rule(
            cel=f"quantity(self.maxShardSize).compareTo(quantity('{LEAST_SHARD}')) >= 0",
            holds=lambda m: parse_size(m.max_shard_size) >= parse_size(LEAST_SHARD),
            message=f'maxShardSize "{{maxShardSize}}" must be at least {LEAST_SHARD}; usual is 5Gi',
            at="maxShardSize",
            unless=(malformed("maxShardSize", SIZE_PATTERN),),
        ),
    )
