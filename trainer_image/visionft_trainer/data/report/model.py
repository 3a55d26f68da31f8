"""The form of `data-report.json`."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field
from visionft_api import API_VERSION
from visionft_api.base import ApiModel
from visionft_api.status import DataWarning

REPORT_KIND: Final = "DataReport"
NAMED_ROWS = 100  # rows that a list in the report names; the rest are counted


class RowName(ApiModel):
    """A row, as its data names it."""

    file: str
    row: int


class DroppedRow(ApiModel):
    """A row that was left out."""

    file: str
    row: int
    reason: str


class Pair(ApiModel):
    """Two rows that have something to do with each other."""

    row: RowName
    other: RowName
    """The earlier one, or the training row."""


class Pairs(ApiModel):
    """Such rows: all counted, the first ones named."""

    rows: int = 0
    named: list[Pair] = Field(default=[])


class Spread(ApiModel):
    """Where many values lie."""

    least: float
    p5: float
    median: float
    mean: float
    p95: float
    most: float


class AnswerShare(ApiModel):
    """One answer and how many rows have it."""

    answer: str
    rows: int
    share: float


class Balance(ApiModel):
    """How evenly the answers are spread."""

    distinct: int
    entropy: float
    """In bits."""
    top: list[AnswerShare]


class Looks(ApiModel):
    """What the pictures are like."""

    width: Spread | None
    """Pixels, after turning upright."""
    height: Spread | None
    aspect: Spread | None
    """Width over height."""
    brightness: Spread | None
    """Mean grey value, 0 to 1."""
    contrast: Spread | None
    """Standard deviation of the grey values, 0 to 0.5."""
    blank: int
    """Pictures that show nothing."""


class Diversity(ApiModel):
    """How much the pictures differ, on a sample."""

    pictures: int
    """In the sample."""
    score: float
    """As many pictures without any likeness would be as diverse (Vendi score)."""
    share: float
    """`score` over `pictures`."""


class Lengths(ApiModel):
    """How long the rows are."""

    prompt_characters: Spread | None = None
    answer_characters: Spread | None = None
    tokens: Spread | None = None
    """Of whole rows, pictures included."""
    answer_tokens: Spread | None = None


class SplitReport(ApiModel):
    """Training or validation rows."""

    source: str
    """Name of the file or folder."""
    digest: str
    """sha256 over rows and pictures, whatever container they came in."""
    rows: int
    """That are used."""
    dropped: dict[str, int] = Field(default={})
    dropped_rows: list[DroppedRow] = Field(default=[])
    images: int
    distinct_images: int
    duplicates: Pairs
    near_duplicates: Pairs
    conflicts: Pairs
    """Rows with the pictures and question of an earlier one, but another answer."""
    answers: Balance
    lengths: Lengths
    looks: Looks | None = None
    diversity: Diversity | None = None


class LeakageReport(ApiModel):
    """Validation rows (`row`) that a training row (`other`) gives away."""

    exact: Pairs
    near: Pairs


class ShiftReport(ApiModel):
    """Pictures before and after augmentation, on a sample."""

    pictures: int
    limit: float
    distances: dict[str, float]
    """Kolmogorov-Smirnov distance of each statistic, 0 to 1."""


class DataReport(ApiModel):
    """What was found in the data."""

    api_version: Literal["visionft.dev/v1alpha1"] = API_VERSION
    kind: Literal["DataReport"] = REPORT_KIND
    digest: str
    """Names the version of the data, both splits together."""
    train: SplitReport
    validation: SplitReport | None = None
    leakage: LeakageReport | None = None
    augmentation: ShiftReport | None = None
    warnings: list[DataWarning] = Field(default=[])
