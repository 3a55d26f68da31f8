"""The form of `report.json`: everything that one page shows. The page is made of this and of the pictures alone."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field
from visionft_api import API_VERSION
from visionft_api.base import ApiModel
from visionft_api.status import Artifact, Resolved, Stage
from visionft_api.timestamps import Timestamp

from visionft_trainer.data.report.model import DataReport
from visionft_trainer.evaluation.judgement import Judgement
from visionft_trainer.reporting.report import CurvePoint

REPORT_KIND: Final = "RunReport"
Group = Literal["improved", "typical", "worsened"]


class MetricInfo(ApiModel):
    """What a reader must know of a metric."""

    title: str
    lower_is_better: bool
    highest: float | None = Field(default=None, description="The largest possible figure; absent without a bound.")


class GateLine(ApiModel):
    """A gate of the manifest and what became of it."""

    gate: str
    holds: bool | None = Field(default=None, description="Absent where nothing was measured.")
    detail: str = Field(default="", description="Why it does not hold.")


class Edges(ApiModel):
    """A rectangle on a picture, in shares of its width and height, 0 to 1 from the top left."""

    label: str
    left: float
    top: float
    right: float
    bottom: float


class SampleBoxes(ApiModel):
    """The boxes of a grounded row."""

    picture: int = Field(default=0, description="Which of the row's pictures they lie on, from 0.")
    reference: list[Edges] = Field(default=[])
    baseline: list[Edges] | None = Field(default=None, description="Absent where the answer wrote none.")
    tuned: list[Edges] | None = Field(default=None, description="Absent where the answer wrote none.")


class SamplePicture(ApiModel):
    """A picture of a sample, made small."""

    file: str = Field(description="In the run's folder `samples`.")
    width: int = Field(description="Pixels of the small picture.")
    height: int
    original_width: int = Field(description="Pixels of the row's own picture.")
    original_height: int


class Sample(ApiModel):
    """A measured row with both models' answers."""

    file: str
    row: int
    group: Group
    prompt: str = ""
    reference: str
    references: list[str] = Field(default=[], description="All right answers, where there are several.")
    baseline: str | None = None
    tuned: str
    baseline_scores: dict[str, float] = Field(default={}, description="The metrics of this row alone.")
    tuned_scores: dict[str, float] = Field(default={})
    change: float | None = Field(
        default=None,
        description="Of the first metric, from base model to tuned; above 0 is better, whatever the metric.",
    )
    pictures: list[SamplePicture] = Field(default=[])
    more_pictures: int = Field(default=0, description="Pictures of the row that are not kept.")
    boxes: SampleBoxes | None = None


class Samples(ApiModel):
    """The rows that the page shows, most improved first, and how they were chosen."""

    metric: str | None = Field(default=None, description="By which they are sorted.")
    of: int = Field(default=0, description="Measured rows.")
    improved: int = Field(default=0, description="Measured rows that are answered better than before.")
    worsened: int = Field(default=0, description="Measured rows that are answered worse than before.")
    chosen: list[Sample] = Field(default=[])
    kept: bool = Field(default=True, description="False where their pictures and boxes are not in the run's folder.")


class Attempt(ApiModel):
    """One process's part of a run; an interrupted run has several."""

    run: int | None = Field(default=None, description="Earlier run that it belongs to, which was taken over.")
    start_time: Timestamp
    seconds: dict[Stage, float] = Field(default={}, description="Time in each stage.")
    first_step: int = Field(default=0, description="Step that it went on from.")
    last_step: int = 0
    first_epoch: float = 0.0
    last_epoch: float = 0.0


class Cost(ApiModel):
    """What a run took. Waiting in a queue, and starting the process, are not in it."""

    device: str = Field(default="", description="Name of the accelerator, or CPU.")
    gpus: int = Field(default=0, description="GPUs that were used at once.")
    gpu_memory: int | None = Field(default=None, description="Highest use of one GPU, bytes.")
    attempts: list[Attempt] = Field(default=[])


class Provenance(ApiModel):
    """Where the result comes from."""

    model: str = ""
    resolved: Resolved
    packages: dict[str, str] = Field(default={}, description="Versions of the libraries that it depends on.")
    artifacts: list[Artifact] = Field(default=[])


class RunReport(ApiModel):
    """`report.json`."""

    api_version: Literal["visionft.dev/v1alpha1"] = API_VERSION
    kind: Literal["RunReport"] = REPORT_KIND
    name: str
    namespace: str
    run: int
    complete: bool = Field(description="False for a run that did not come to its end.")
    start_time: Timestamp | None = None
    completion_time: Timestamp | None = None
    trained_in: int | None = Field(default=None, description="Earlier run that was taken over, which trained this.")
    metrics: dict[str, MetricInfo] = Field(default={}, description="All that is measured, the manifest's order first.")
    gates: list[GateLine] = Field(default=[])
    judgement: Judgement | None = Field(default=None, description="As in judgement.json.")
    steps: int | None = None
    shipped_step: int | None = None
    notes: list[str] = Field(default=[], description="What a person should know of how the training went.")
    curve: list[CurvePoint] = Field(default=[])
    data: DataReport | None = Field(default=None, description="As in data-report.json.")
    samples: Samples = Samples()
    cost: Cost = Cost()
    provenance: Provenance
    manifest: dict[str, Any] = Field(default={}, description="The resource's spec with its defaults filled in.")
