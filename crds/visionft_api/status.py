"""`status`: the truth about the runs, as far as it is known. Every field is optional; decimals are strings."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from visionft_api.base import ApiModel
from visionft_api.conditions import Condition, Message, ReasonWord, clip
from visionft_api.fields import Count, Digest, SignedDecimalString, Size
from visionft_api.lists import ATOMIC, map_by
from visionft_api.timestamps import Timestamp

MAX_HISTORY = 5
MAX_METRICS = 32
MAX_DATA_WARNINGS = 16
MAX_EVALUATION_WARNINGS = 16
MAX_ALTERNATIVES = 16
MAX_ARTIFACTS = 16
MAX_DROP_REASONS = 16
MAX_WARNING = 512
"""A warning is a sentence or two; the files and rows behind it are in the run's data-report.json."""
MAX_SUMMARY = 1024


class Phase(StrEnum):
    """The state in one word, for people. Code reads the conditions."""

    PENDING = "Pending"
    QUEUED = "Queued"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    REFUSED = "Refused"


class Stage(StrEnum):
    """The trainer's stages, in their order."""

    INGEST = "ingest"
    PREPROCESS = "preprocess"
    LOAD = "load"
    BASELINE = "baseline"
    ADAPT = "adapt"
    TRAIN = "train"
    EVALUATE = "evaluate"
    EXPORT = "export"
    REPORT = "report"


Verdict = Literal["Passed", "Failed", "NoGates"]
Conclusion = Literal["Better", "Worse", "NoDifference", "PromptSuffices"]
Text = Annotated[str, Field(max_length=2048)]
ShortText = Annotated[str, Field(max_length=253)]
MetricName = Annotated[str, Field(min_length=1, max_length=64)]
Metrics = Annotated[dict[MetricName, SignedDecimalString], Field(max_length=MAX_METRICS)]


class JobRef(ApiModel):
    """The Job of the current run."""

    name: ShortText = Field(description="Name of the Job.")
    uid: ShortText = Field(description="UID of the Job.")


class Progress(ApiModel):
    """How far the run is."""

    percent: int | None = Field(default=None, ge=0, le=100, description="Share of the work that is done, in percent.")
    display: ShortText | None = Field(default=None, description='The percentage as it is printed, such as "42%".')
    stage: Annotated[Stage, Field(strict=False)] | None = Field(
        default=None, description="Stage that the trainer is in."
    )
    step: Count | None = Field(default=None, description="Optimiser steps done.")
    total_steps: Count | None = Field(default=None, description="Optimiser steps in all.")
    epoch: SignedDecimalString | None = Field(default=None, description="Passes over the training rows done.")
    eta_seconds: Count | None = Field(default=None, description="Seconds until the run is done, estimated.")
    eta: ShortText | None = Field(default=None, description='The estimate as it is printed, such as "12m".')
    loss: SignedDecimalString | None = Field(default=None, description="Latest training loss.")
    learning_rate: SignedDecimalString | None = Field(default=None, description="Latest learning rate.")
    samples_per_second: SignedDecimalString | None = Field(default=None, description="Samples trained on in a second.")
    gpu_memory: Size | None = Field(default=None, description="Peak memory on one GPU.")
    last_updated: Timestamp | None = Field(default=None, description="When the trainer last reported.")


class EvaluationSummary(ApiModel):
    """What was measured on the validation rows, in short: what the history keeps."""

    baseline: Metrics | None = Field(default=None, description="Metrics of the base model.")
    tuned: Metrics | None = Field(default=None, description="Metrics of the tuned model, as it is shipped.")
    delta: Metrics | None = Field(default=None, description="Tuned minus baseline.")
    verdict: Verdict | None = Field(
        default=None, description="Passed, Failed, or NoGates where there was nothing to meet."
    )
    samples: Count | None = Field(default=None, description="Validation rows that were measured on.")
    conclusion: Conclusion | None = Field(
        default=None,
        description="What tuning did by the first metric: Better or Worse by more than chance, NoDifference, or "
        "PromptSuffices where another prompt of the base model does as well.",
    )
    summary: Annotated[str, clip(MAX_SUMMARY), Field(max_length=MAX_SUMMARY)] | None = Field(
        default=None, description="The verdict in a sentence."
    )
    display: ShortText | None = Field(
        default=None, description='The first metric as it is printed, such as "cer 0.71 -> 0.05".'
    )


class MetricInterval(ApiModel):
    """Where a figure lies with 95 % confidence."""

    low: SignedDecimalString = Field(description="Lower end.")
    high: SignedDecimalString = Field(description="Upper end.")


MetricIntervals = Annotated[dict[MetricName, MetricInterval], Field(max_length=MAX_METRICS)]


class Intervals(ApiModel):
    """The figures' 95 % intervals, by bootstrap over the rows."""

    baseline: MetricIntervals | None = Field(default=None, description="Of the base model's metrics.")
    tuned: MetricIntervals | None = Field(default=None, description="Of the tuned model's metrics.")
    delta: MetricIntervals | None = Field(default=None, description="Of tuned minus baseline, on the same rows.")


class PromptMetrics(ApiModel):
    """The base model, asked in another way."""

    name: ShortText = Field(description='Which way, such as "prompt 1" or "3 examples".')
    metrics: Metrics = Field(description="Metrics of the base model, asked so.")


class WithoutPictures(ApiModel):
    """One model's metrics where its pictures are of no help."""

    shuffled: Metrics | None = Field(default=None, description="Each row with another row's pictures.")
    blank: Metrics | None = Field(default=None, description="Each row with grey pictures.")


class Reliance(ApiModel):
    """By metric, how much better a model is with the right pictures than without; 0: it does not look at them."""

    baseline: Metrics | None = Field(default=None, description="Of the base model.")
    tuned: Metrics | None = Field(default=None, description="Of the tuned model.")


class EffectiveRank(ApiModel):
    """How many directions the vision features really use; a fall is a collapse."""

    baseline: SignedDecimalString | None = Field(default=None, description="Of the base model.")
    tuned: SignedDecimalString | None = Field(default=None, description="Of the tuned model.")


class VisionEvaluation(ApiModel):
    """Whether the models look at the pictures."""

    baseline: WithoutPictures | None = Field(default=None, description="The base model.")
    tuned: WithoutPictures | None = Field(default=None, description="The tuned model.")
    reliance: Reliance | None = Field(default=None, description="What the right pictures are worth to each.")
    rank: EffectiveRank | None = Field(default=None, description="Effective rank of the pooled vision features.")


class GeneralEvaluation(ApiModel):
    """Metrics on the general rows, which tell what was forgotten."""

    baseline: Metrics | None = Field(default=None, description="Metrics of the base model.")
    tuned: Metrics | None = Field(default=None, description="Metrics of the tuned model.")


class StatusWarning(ApiModel):
    """Something that a person should look at; the run goes on."""

    reason: ReasonWord = Field(description="What it is, in one word that programs may rely on.")
    message: Annotated[str, clip(MAX_WARNING), Field(max_length=MAX_WARNING)] = Field(
        description="What was found and what to do."
    )


class DataWarning(StatusWarning):
    """Something about the data that a person should look at; the run goes on."""


class EvaluationWarning(StatusWarning):
    """Something about the result that a person should know; it changes no verdict."""


class Evaluation(EvaluationSummary):
    """What was measured on the validation rows. The whole of it is judgement.json in the run's folder."""

    intervals: Intervals | None = Field(default=None, description="95 % intervals of the metrics.")
    prompts: Annotated[list[PromptMetrics], Field(max_length=MAX_ALTERNATIVES), ATOMIC] | None = Field(
        default=None, description="The base model with other prompts and with examples."
    )
    vision: VisionEvaluation | None = Field(default=None, description="Whether the models look at the pictures.")
    general: GeneralEvaluation | None = Field(default=None, description="What was forgotten.")
    warnings: Annotated[list[EvaluationWarning], Field(max_length=MAX_EVALUATION_WARNINGS), ATOMIC] | None = Field(
        default=None, description="What a person should know about the result."
    )


class Drift(ApiModel):
    """What measuring again showed."""

    last_run: Timestamp | None = Field(default=None, description="When it was last measured.")
    verdict: ShortText | None = Field(default=None, description="Stable or Drifted.")
    metrics: Metrics | None = Field(default=None, description="Metrics of the tuned model, now.")
    inputs: Metrics | None = Field(default=None, description="Tests of the inputs, by name.")


class Artifact(ApiModel):
    """Something that a run left."""

    kind: Literal["adapter", "merged", "report"] = Field(description="What it is.")
    uri: Text = Field(description="Where it is, such as pvc://claim/path.")
    digest: Digest | None = Field(default=None, description="SHA-256 over its files.")
    size: Count | None = Field(default=None, description="Bytes of its files.")


class Resolved(ApiModel):
    """What names in the spec turned out to be."""

    model_revision: ShortText | None = Field(default=None, description="Commit or digest of the base model.")
    dataset_digest: ShortText | None = Field(default=None, description="Digest of the training rows.")
    image_digest: Text | None = Field(default=None, description="Digest of the trainer image.")
    spec_hash: ShortText | None = Field(default=None, description="Hash over what the training depends on.")


class Estimate(ApiModel):
    """What the run is expected to need."""

    gpu_memory: Size | None = Field(default=None, description="Memory on one GPU.")
    gpu_hours: SignedDecimalString | None = Field(default=None, description="GPU hours in all.")


DropReason = Annotated[str, Field(min_length=1, max_length=64)]
DropCounts = Annotated[dict[DropReason, Count], Field(max_length=MAX_DROP_REASONS)]


class SplitSummary(ApiModel):
    """What was found in the training or the validation rows."""

    rows: Count | None = Field(default=None, description="Rows that are used.")
    dropped: DropCounts | None = Field(default=None, description="Rows that are left out, counted by why.")
    duplicates: Count | None = Field(
        default=None, description="Rows whose pictures and texts are those of an earlier row."
    )
    near_duplicates: Count | None = Field(
        default=None, description="Rows whose pictures look like those of an earlier row."
    )
    images: Count | None = Field(default=None, description="Pictures in these rows.")
    max_tokens: Count | None = Field(default=None, description="Tokens of the longest row, pictures included.")


class DataSummary(ApiModel):
    """What the check of the data found. The whole report is data-report.json in the run's folder."""

    digest: Digest | None = Field(default=None, description="SHA-256 of the content, which names its version.")
    train: SplitSummary | None = Field(default=None, description="The training rows.")
    validation: SplitSummary | None = Field(default=None, description="The validation rows.")
    warnings: Annotated[list[DataWarning], Field(max_length=MAX_DATA_WARNINGS), ATOMIC] | None = Field(
        default=None, description="What a person should look at."
    )


class LastFailure(ApiModel):
    """The latest failure of a pod or a run, which stays readable after a retry."""

    run: Count | None = Field(default=None, description="Run that failed.")
    exit_code: int | None = Field(default=None, ge=0, le=255, description="Exit code of the trainer.")
    reason: ShortText | None = Field(default=None, description="Why, in one word.")
    message: Message | None = Field(default=None, description="What happened and what to do.")
    time: Timestamp | None = Field(default=None, description="When.")
    pod_name: ShortText | None = Field(default=None, description="Pod that failed.")


Artifacts = Annotated[list[Artifact], Field(max_length=MAX_ARTIFACTS), ATOMIC]


class HistoryEntry(ApiModel):
    """One of the latest runs."""

    run: Count = Field(description="Number of the run.")
    spec_hash: ShortText | None = Field(default=None, description="Hash over what the training depended on.")
    outcome: ShortText | None = Field(default=None, description="Succeeded, Failed or Replaced.")
    reason: ShortText | None = Field(default=None, description="Why, in one word.")
    start_time: Timestamp | None = Field(default=None, description="When it started.")
    completion_time: Timestamp | None = Field(default=None, description="When it ended.")
    evaluation: EvaluationSummary | None = Field(default=None, description="What was measured.")
    artifacts: Artifacts | None = Field(default=None, description="What it left.")


class VisionFineTuneStatus(ApiModel):
    """What is known about the runs."""

    observed_generation: Count | None = Field(default=None, description="Generation of the spec last acted on.")
    phase: Annotated[Phase, Field(strict=False)] | None = Field(
        default=None, description="State in one word, for people; programs read the conditions."
    )
    run: Count | None = Field(default=None, description="Number of the current run.")
    start_time: Timestamp | None = Field(default=None, description="When the current run started.")
    completion_time: Timestamp | None = Field(default=None, description="When the current run ended.")
    job_ref: JobRef | None = Field(default=None, description="Job of the current run.")
    conditions: Annotated[
        list[Condition],
        Field(max_length=16),
        map_by("type"),
    ] = Field(
        default=[],
        description="Accepted, DataChecked, Queued, Running, Suspended, ArtifactReady, DriftDetected, Succeeded.",
    )
    progress: Progress | None = Field(default=None, description="How far the current run is.")
    evaluation: Evaluation | None = Field(default=None, description="What was measured in the current run.")
    drift: Drift | None = Field(default=None, description="What measuring again showed.")
    artifacts: Artifacts | None = Field(default=None, description="What the current run left.")
    resolved: Resolved | None = Field(default=None, description="What names in the spec turned out to be.")
    data: DataSummary | None = Field(default=None, description="What the check of the data found.")
    estimate: Estimate | None = Field(default=None, description="What the run is expected to need.")
    last_failure: LastFailure | None = Field(default=None, description="Latest failure of a pod or a run.")
    history: Annotated[list[HistoryEntry], Field(max_length=MAX_HISTORY), ATOMIC] = Field(
        default=[], description="The latest five runs that ended, newest first."
    )
