"""The wire form of reports: what a trainer POSTs to the operator."""

from typing import Annotated

from pydantic import Field

from visionft_api.base import ApiModel
from visionft_api.conditions import Message
from visionft_api.fields import Count
from visionft_api.status import Artifacts, DataSummary, Estimate, Evaluation, Progress, Resolved, Stage
from visionft_api.timestamps import Timestamp

MAX_KUBEFLOW_METRICS = 256
MAX_NOTES = 16


class Report(ApiModel):
    """The state of a run as its trainer sees it. Each report stands alone; a later sequence replaces an earlier one."""

    sequence: Count = Field(description="Grows with each report of a trainer process.")
    stage: Annotated[Stage, Field(strict=False)] = Field(description="Stage that the trainer is in.")
    sent_at: Timestamp = Field(description="When the report was made.")
    progress: Progress = Field(description="How far the run is.")
    evaluation: Evaluation | None = Field(default=None, description="What has been measured.")
    artifacts: Artifacts | None = Field(default=None, description="What has been written.")
    resolved: Resolved | None = Field(default=None, description="What names in the spec turned out to be.")
    data: DataSummary | None = Field(default=None, description="What the check of the data found.")
    estimate: Estimate | None = Field(default=None, description="What the run is expected to need.")
    notes: Annotated[list[Message], Field(max_length=MAX_NOTES)] | None = Field(
        default=None, description="What a person should know of how the run goes, newest last."
    )


class ReportEnvelope(ApiModel):
    """The body of a POST in our form."""

    report: Report


class KubeflowMetric(ApiModel):
    """A metric in Kubeflow's form."""

    name: Annotated[str, Field(min_length=1, max_length=63)]
    value: Annotated[str, Field(max_length=64)]


class KubeflowStatus(ApiModel):
    """The state of a run in the form that transformers' KubeflowCallback sends."""

    progress_percentage: int | None = Field(default=None, ge=0, le=100)
    estimated_remaining_seconds: Count | None = None
    metrics: Annotated[list[KubeflowMetric], Field(max_length=MAX_KUBEFLOW_METRICS)] | None = None
    last_updated_time: Timestamp | None = None


class KubeflowEnvelope(ApiModel):
    """The body of a POST in Kubeflow's form."""

    trainer_status: KubeflowStatus
