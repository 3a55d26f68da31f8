"""`spec.dataset`: what is learnt from, and what is measured on."""

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from visionft_api.base import ApiModel
from visionft_api.fields import (
    DECIMAL_PATTERN,
    SIZE_PATTERN,
    Bucket,
    ClaimPath,
    ClaimPlace,
    ConfigKey,
    DecimalString,
    Digest,
    DnsName,
    HubId,
    Revision,
    Size,
    Url,
)
from visionft_api.lists import SET
from visionft_api.quantities import parse_size
from visionft_api.rules import Rule, malformed
from visionft_api.spec.refs import SecretRef

MAX_IMAGE_BYTES = "1Gi"
"""Above this a picture is a mistake, and decoding it would take the node's memory."""

DatasetFormat = Literal["messages", "conversations", "prompts", "captions", "vqa", "keyValues", "grounding", "columns"]
OWN_QUESTIONS: tuple[DatasetFormat, ...] = ("messages", "conversations")
"""Formats whose rows are whole conversations: no question or answer is looked for beside them."""

PromptTemplate = Annotated[str, Field(min_length=1, max_length=4096)]


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
    path: ClaimPlace = Field(
        description="A data file, a folder of data files or pictures, or the common name of shards, relative to the "
        "claim's root, or . for the root itself. Image paths in the rows are relative to the file's folder.",
    )


class S3Source(ApiModel):
    """Rows in an S3 bucket."""

    endpoint: Url | None = Field(default=None, description="Address of the S3 service. Absent: AWS.")
    bucket: Bucket = Field(description="Name of the bucket.")
    prefix: str = Field(
        default="",
        max_length=512,
        description="Key of the data file, or what the keys of a folder or of shards begin with.",
    )
    secret_ref: SecretRef | None = Field(
        default=None,
        description="Secret with the keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, optional AWS_SESSION_TOKEN.",
    )


class HttpSource(ApiModel):
    """Rows in an archive or data file that a web server hands out."""

    url: Url = Field(description="Address of the archive (.tar, .tar.gz, .tar.zst, .zip) or data file.")
    digest: Digest = Field(description="SHA-256 of what lies there; anything else is refused.")
    path: ClaimPath | None = Field(
        default=None, description="Data file or folder inside the archive. Absent: the archive's own."
    )
    secret_ref: SecretRef | None = Field(
        default=None, description="Secret whose key AUTHORIZATION is sent as the header of that name."
    )


class ConfigMapSource(ApiModel):
    """A few rows kept in a ConfigMap of the same namespace."""

    name: DnsName = Field(description="Name of the ConfigMap.")
    key: ConfigKey = Field(
        default="data.jsonl",
        description="Key that holds the rows, of a kind that its ending tells, such as .jsonl or .csv.",
    )


class DataSource(ApiModel):
    """Where rows come from: exactly one of hub, pvc, s3, http and configMap."""

    hub: HubSource | None = Field(default=None, description="A dataset on the Hugging Face hub.")
    pvc: PvcSource | None = Field(default=None, description="Data on a PersistentVolumeClaim.")
    s3: S3Source | None = Field(default=None, description="Data in an S3 bucket.")
    http: HttpSource | None = Field(default=None, description="An archive or data file on a web server.")
    config_map: ConfigMapSource | None = Field(default=None, description="A few rows in a ConfigMap.")

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="[has(self.hub), has(self.pvc), has(self.s3), has(self.http), has(self.configMap)]"
            ".filter(x, x).size() == 1",
            holds=lambda m: sum(part is not None for part in (m.hub, m.pvc, m.s3, m.http, m.config_map)) == 1,
            message="set exactly one of hub, pvc, s3, http and configMap",
        ),
    )


ColumnName = Annotated[str, Field(min_length=1, max_length=128)]


class ColumnsSpec(ApiModel):
    """Names of the columns where they are not those that the format expects. A dot goes into an object: meta.text."""

    image: ColumnName | None = Field(default=None, description="Column of the picture, or of a list of them.")
    prompt: ColumnName | None = Field(default=None, description="Column of the question.")
    answer: ColumnName | None = Field(default=None, description="Column of the answer.")
    boxes: ColumnName | None = Field(default=None, description="Column of the boxes; for grounding.")


class AugmentationSpec(ApiModel):
    """Changes of the training pictures, drawn anew for each pass by the seed. Boxes follow."""

    rotation: bool = Field(default=False, description="Turn by a few degrees.")
    perspective: bool = Field(default=False, description="Tilt as a hand-held camera does.")
    blur: bool = Field(default=False, description="Soften.")
    noise: bool = Field(default=False, description="Add sensor noise.")
    jpeg: bool = Field(default=False, description="Compress as JPEG does.")
    light: bool = Field(default=False, description="Change brightness and contrast.")
    strength: DecimalString = Field(
        default="0.5", description='How far each change goes: above "0" to "1", the strongest that stays readable.'
    )
    max_shift: DecimalString = Field(
        default="0.25",
        description="Largest allowed distance between the pictures' statistics before and after (Kolmogorov-Smirnov "
        'distance, "0" to "1"); a run beyond it is refused.',
    )

    rules = (
        Rule(
            cel="self.rotation || self.perspective || self.blur || self.noise || self.jpeg || self.light",
            holds=lambda m: m.rotation or m.perspective or m.blur or m.noise or m.jpeg or m.light,
            message="no change is switched on, so nothing would be augmented; set one of rotation, perspective, blur, "
            "noise, jpeg and light to true, or remove augmentation",
        ),
        Rule(
            cel="double(self.strength) > 0.0 && double(self.strength) <= 1.0",
            holds=lambda m: 0 < float(m.strength) <= 1,
            message='strength "{strength}" must be above 0 and at most 1; usual is "0.5"',
            at="strength",
            unless=(malformed("strength", DECIMAL_PATTERN),),
        ),
        Rule(
            cel="double(self.maxShift) <= 1.0",
            holds=lambda m: float(m.max_shift) <= 1,
            message='maxShift "{maxShift}" must be at most 1: it is a distance between shares; "1" refuses nothing',
            at="maxShift",
            unless=(malformed("maxShift", DECIMAL_PATTERN),),
        ),
    )


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


def _named(rows: Any, column: str) -> str | None:
    """The name that the manifest gives a column of these rows, None where it gives none."""
    return None if rows.columns is None else getattr(rows.columns, column)


COLUMN_RULES = (
    Rule(
        cel=f"!(self.format in {list(OWN_QUESTIONS)}) || !has(self.columns) || "
        "!(has(self.columns.prompt) || has(self.columns.answer))",
        holds=lambda m: m.format not in OWN_QUESTIONS or not (_named(m, "prompt") or _named(m, "answer")),
        message='prompt and answer would be ignored: rows of format "{format}" are whole conversations; name the '
        "column of the image only, or use another format",
        at="columns",
    ),
    Rule(
        cel="self.format == 'grounding' || !has(self.columns) || !has(self.columns.boxes)",
        holds=lambda m: m.format == "grounding" or not _named(m, "boxes"),
        message='boxes "{columns.boxes}" would be ignored: rows of format "{format}" have none; remove it, or use '
        "format grounding",
        at="columns",
    ),
    Rule(
        cel="self.format != 'grounding' || !has(self.columns) || !has(self.columns.answer)",
        holds=lambda m: m.format != "grounding" or not _named(m, "answer"),
        message='answer "{columns.answer}" would be ignored: in format grounding the boxes are the answer; remove it',
        at="columns",
    ),
)
"""Of any object with `format` and `columns`."""


def _wraps_or_not(name: str) -> Callable[["DatasetSpec"], bool]:
    return lambda m: m.format not in OWN_QUESTIONS or not getattr(m, name)


class DatasetSpec(ApiModel):
    """Training and validation rows, and how they are read."""

    train: DataSource = Field(description="Rows to learn from.")
    validation: DataSource | None = Field(
        default=None, description="Rows to measure on, never learnt from. Absent: nothing is measured."
    )
    format: DatasetFormat = Field(
        default="messages",
        description="Form of the rows. messages: OpenAI's chat messages. conversations: LLaVA's, with <image>. "
        "prompts: TRL's prompt and completion. captions: a picture and its text. vqa: pictures, question and answer. "
        "keyValues: a picture and an object of fields (Donut's ground truth). grounding: a picture, a question and "
        "boxes. columns: plain columns through promptTemplate.",
    )
    columns: ColumnsSpec | None = Field(
        default=None, description="Column names, where they are not those that the format expects."
    )
    system_prompt: str | None = Field(
        default=None, min_length=1, max_length=4096, description="System message of rows that have none."
    )
    prompt_template: str | None = Field(
        default=None,
        min_length=1,
        max_length=4096,
        description="Text of the question, with {column} where a value goes.",
    )
    prompt_templates: Annotated[list[PromptTemplate], Field(max_length=32), SET] = Field(
        default=[],
        description="Several wordings of the question; a row gets one by the seed, another in each pass. Validation "
        "rows get the first.",
    )
    bad_rows: Literal["Refuse", "Drop"] = Field(
        default="Refuse",
        description="What is done with rows that cannot be used: Refuse ends the run, Drop leaves them out and counts "
        "them.",
    )
    leakage: Literal["Warn", "Refuse"] = Field(
        default="Warn", description="What is done when pictures of the validation rows are among the training rows."
    )
    augmentation: AugmentationSpec | None = Field(
        default=None, description="Changes of the training pictures. Absent: none."
    )
    image: ImageSpec = Field(default_factory=ImageSpec, description="Limits of a picture.")
    limits: LimitsSpec = Field(default_factory=LimitsSpec, description="Limits of a sample.")

    rules = (
        Rule(
            cel="!has(self.promptTemplate) || self.promptTemplates.size() == 0",
            holds=lambda m: m.prompt_template is None or not m.prompt_templates,
            message="promptTemplate and promptTemplates are both set; remove promptTemplate, or put it into the list",
            at="promptTemplates",
        ),
        Rule(
            cel="self.format != 'columns' || has(self.promptTemplate) || self.promptTemplates.size() > 0 || "
            "(has(self.columns) && has(self.columns.prompt))",
            holds=lambda m: (
                m.format != "columns" or bool(m.prompt_template or m.prompt_templates or _named(m, "prompt"))
            ),
            message='rows of format "{format}" have no question; set promptTemplate to one, with the names of columns '
            "in braces where values go, or columns.prompt",
            at="format",
        ),
        *COLUMN_RULES,
        *(
            Rule(
                cel=f"!(self.format in {list(OWN_QUESTIONS)}) || {unset}",
                holds=_wraps_or_not(name),
                message=f'{shown} would be ignored: rows of format "{{format}}" are whole conversations; remove it, or '
                "use another format",
                at=shown,
            )
            for name, shown, unset in (
                ("prompt_template", "promptTemplate", "!has(self.promptTemplate)"),
                ("prompt_templates", "promptTemplates", "self.promptTemplates.size() == 0"),
            )
        ),
    )
