"""`spec.dataset`: what is learnt from, and what is measured on."""

from typing import Literal

from pydantic import Field

from visionft_api.base import ApiModel
from visionft_api.fields import SIZE_PATTERN, Bucket, ClaimPath, ConfigKey, DnsName, HubId, Revision, Size, Url
from visionft_api.quantities import parse_size
from visionft_api.rules import Rule, malformed
from visionft_api.spec.refs import SecretRef

MAX_IMAGE_BYTES = "1Gi"
"""Above this a picture is a mistake, and decoding it would take the node's memory."""


class HubSource(ApiModel):
    """Rows of a dataset on the Hugging Face hub."""

    repo: HubId = Field(description="Name of the dataset on the hub.")
    config: str | None = Field(default=None, min_length=1, max_length=128, description="Configuration of the dataset.")
    split: str = Field(default="train", min_length=1, max_length=128, description="Split to read.")
    revision: Revision | None = Field(default=None, description="Branch, tag or commit. Absent: main.")
    secret_ref: SecretRef | None = Field(default=None, description="Secret whose key HF_TOKEN opens a private dataset.")


class PvcSource(ApiModel):
    """Rows on a persistent volume claim of the same namespace."""

    claim_name: DnsName = Field(description="Name of the PersistentVolumeClaim.")
    path: ClaimPath = Field(
        description="The JSONL file, or a folder that holds data.jsonl, relative to the claim's root. "
        "Image paths in the rows are relative to the file's folder.",
    )


class S3Source(ApiModel):
    """Rows in an S3 bucket."""

    endpoint: Url | None = Field(default=None, description="Address of the S3 service. Absent: AWS.")
    bucket: Bucket = Field(description="Name of the bucket.")
    prefix: str = Field(default="", max_length=512, description="Key prefix of the JSONL file and its images.")
    secret_ref: SecretRef | None = Field(
        default=None, description="Secret with the keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
    )


class ConfigMapSource(ApiModel):
    """A few rows kept in a ConfigMap of the same namespace."""

    name: DnsName = Field(description="Name of the ConfigMap.")
    key: ConfigKey = Field(default="data.jsonl", description="Key that holds the JSONL rows.")


class DataSource(ApiModel):
    """Where rows come from: exactly one of hub, pvc, s3 and configMap."""

    hub: HubSource | None = Field(default=None, description="A dataset on the Hugging Face hub.")
    pvc: PvcSource | None = Field(default=None, description="A JSONL file on a PersistentVolumeClaim.")
    s3: S3Source | None = Field(default=None, description="A JSONL file in an S3 bucket.")
    config_map: ConfigMapSource | None = Field(default=None, description="A JSONL file in a ConfigMap.")

    rules = (
        Rule(
            cel="[has(self.hub), has(self.pvc), has(self.s3), has(self.configMap)].filter(x, x).size() == 1",
            holds=lambda m: sum(part is not None for part in (m.hub, m.pvc, m.s3, m.config_map)) == 1,
            message="set exactly one of hub, pvc, s3 and configMap",
        ),
    )


class ColumnsSpec(ApiModel):
    """Names of the columns of a dataset that is not in the messages form."""

    image: str = Field(default="image", min_length=1, max_length=128, description="Column of the picture.")
    prompt: str = Field(default="prompt", min_length=1, max_length=128, description="Column of the question.")
    answer: str = Field(default="answer", min_length=1, max_length=128, description="Column of the answer.")


class ImageSpec(ApiModel):
    """Limits of a picture. Smaller and larger ones are scaled, files over maxBytes are refused."""

    min_pixels: int | None = Field(
        default=None,
        ge=1,
        le=100_000_000,
        description="Pixels that a smaller picture is enlarged to. Absent: the model's.",
    )
    max_pixels: int | None = Field(
        default=None,
        ge=1,
        le=100_000_000,
        description="Pixels that a larger picture is reduced to. Absent: the model's.",
    )
    max_bytes: Size = Field(default="20Mi", description="Size above which a picture's file is refused.")

    rules = (
        Rule(
            cel="!has(self.minPixels) || !has(self.maxPixels) || self.minPixels <= self.maxPixels",
            holds=lambda m: m.min_pixels is None or m.max_pixels is None or m.min_pixels <= m.max_pixels,
            message="minPixels {minPixels} is above maxPixels {maxPixels}; lower minPixels or raise maxPixels",
            at="minPixels",
        ),
        Rule(
            cel="quantity(self.maxBytes).isGreaterThan(quantity('0')) && "
            f"quantity(self.maxBytes).compareTo(quantity('{MAX_IMAGE_BYTES}')) <= 0",
            holds=lambda m: 0 < parse_size(m.max_bytes) <= parse_size(MAX_IMAGE_BYTES),
            message='maxBytes "{maxBytes}" must be above 0 and at most 1Gi; most pictures fit in 20Mi',
            at="maxBytes",
            unless=(malformed("maxBytes", SIZE_PATTERN),),
        ),
    )


class LimitsSpec(ApiModel):
    """Limits of a sample. One that does not fit is left out and counted, never cut."""

    max_images: int = Field(default=8, ge=1, le=64, description="Pictures that a sample may have.")
    max_tokens: int = Field(
        default=2048, ge=16, le=131_072, description="Tokens that a sample may have, pictures included."
    )


class DatasetSpec(ApiModel):
    """Training and validation rows, and how they are read."""

    train: DataSource = Field(description="Rows to learn from.")
    validation: DataSource | None = Field(
        default=None, description="Rows to measure on, never learnt from. Absent: nothing is measured."
    )
    format: Literal["messages"] = Field(
        default="messages", description="Form of the rows. messages: chat messages in the OpenAI form."
    )
    columns: ColumnsSpec | None = Field(default=None, description="Column names of rows that are not chat messages.")
    prompt_template: str | None = Field(
        default=None,
        min_length=1,
        max_length=4096,
        description="Text of the question, with {column} where a value goes.",
    )
    image: ImageSpec = Field(default_factory=ImageSpec, description="Limits of a picture.")
    limits: LimitsSpec = Field(default_factory=LimitsSpec, description="Limits of a sample.")
