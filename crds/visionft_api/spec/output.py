"""`spec.output`: what a run leaves, and where."""

from pydantic import Field

from visionft_api.base import ApiModel
from visionft_api.fields import REPOSITORY_PATTERN, Bucket, ClaimPath, DnsName, Url
from visionft_api.rules import Rule
from visionft_api.spec.refs import SecretRef


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
        default=None, description="Secret with the keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
    )


class OciOutput(ApiModel):
    """A repository of an OCI registry."""

    repository: str = Field(
        pattern=REPOSITORY_PATTERN, min_length=1, max_length=255, description="Repository that is pushed to."
    )
    secret_ref: SecretRef | None = Field(default=None, description="Secret of type kubernetes.io/dockerconfigjson.")


class OutputSpec(ApiModel):
    """Where the results go: exactly one of pvc, s3 and oci."""

    pvc: PvcOutput | None = Field(default=None, description="A folder on a PersistentVolumeClaim.")
    s3: S3Output | None = Field(default=None, description="A prefix in an S3 bucket.")
    oci: OciOutput | None = Field(default=None, description="A repository of an OCI registry.")
    adapter: bool = Field(default=True, description="Keep the adapter on its own.")
    merged: bool = Field(default=False, description="Keep the whole model with the adapter merged in.")

    rules = (
        Rule(
            cel="[has(self.pvc), has(self.s3), has(self.oci)].filter(x, x).size() == 1",
            holds=lambda m: sum(part is not None for part in (m.pvc, m.s3, m.oci)) == 1,
            message="set exactly one of pvc, s3 and oci",
        ),
        Rule(
            cel="self.adapter || self.merged",
            holds=lambda m: m.adapter or m.merged,
            message="adapter and merged are both false, so the run would leave nothing; set one to true",
        ),
    )
