"""Condition types and reasons. Code reads these; the phase is for people."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from visionft_api.base import ApiModel
from visionft_api.fields import Count
from visionft_api.shown import shorten
from visionft_api.timestamps import Timestamp


class ConditionType(StrEnum):
    """What a condition is about."""

    ACCEPTED = "Accepted"
    DATA_CHECKED = "DataChecked"
    QUEUED = "Queued"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    ARTIFACT_READY = "ArtifactReady"
    DRIFT_DETECTED = "DriftDetected"
    SUCCEEDED = "Succeeded"


class Reason(StrEnum):
    """Why a condition has its status."""

    # Accepted
    ACCEPTED = "Accepted"
    INVALID = "Invalid"
    NOT_SUPPORTED = "NotSupported"
    CLAIM_NOT_FOUND = "ClaimNotFound"
    # DataChecked
    CHECKING = "Checking"
    CHECK_PASSED = "CheckPassed"
    CHECK_FAILED = "CheckFailed"
    # Queued
    UNSCHEDULABLE = "Unschedulable"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    CONTAINER_CREATE_FAILED = "ContainerCreateFailed"
    CREATION_REFUSED = "CreationRefused"
    WAITING_FOR_POD = "WaitingForPod"
    STARTED = "Started"
    # Running
    TRAINING = "Training"
    NOT_STARTED = "NotStarted"
    FINISHED = "Finished"
    SUSPENDED = "Suspended"
    POD_FAILED = "PodFailed"
    NODE_LOST = "NodeLost"
    # Suspended
    SUSPENDED_BY_USER = "SuspendedByUser"
    NOT_SUSPENDED = "NotSuspended"
    # ArtifactReady
    WRITTEN = "Written"
    NOT_WRITTEN = "NotWritten"
    # Succeeded
    IN_PROGRESS = "InProgress"
    COMPLETED = "Completed"
    GATES_PASSED = "GatesPassed"
    GATE_NOT_MET = "GateNotMet"
    BAD_CONFIG = "BadConfig"
    BAD_DATASET = "BadDataset"
    BAD_MODEL = "BadModel"
    OUT_OF_MEMORY = "OutOfMemory"
    STORAGE_FAILED = "StorageFailed"
    TRAINER_ERROR = "TrainerError"
    KILLED = "Killed"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    PENDING_DEADLINE_EXCEEDED = "PendingDeadlineExceeded"
    BACKOFF_LIMIT_EXCEEDED = "BackoffLimitExceeded"
    RESULT_MISSING = "ResultMissing"
    SPEC_INVALID = "SpecInvalid"


MAX_MESSAGE = 4096


def clip(limit: int) -> BeforeValidator:
    """A text that is too long ends in "…": a message quotes others, and must not fail for what they say."""

    def clipped(text: object) -> object:
        return shorten(text, limit) if isinstance(text, str) else text

    return BeforeValidator(clipped)


Message = Annotated[str, clip(MAX_MESSAGE), Field(max_length=MAX_MESSAGE)]
ConditionStatus = Literal["True", "False", "Unknown"]


ReasonWord = Annotated[str, Field(pattern="^[A-Za-z][A-Za-z0-9]*$", max_length=64)]


class Condition(ApiModel):
    """One condition, in Kubernetes' standard form."""

    type: ReasonWord = Field(description="What the condition is about.")
    status: ConditionStatus = Field(description="True, False or Unknown.")
    reason: ReasonWord = Field(description="Why, in one word that programs may rely on.")
    message: Message = Field(default="", description="What happened and what to do, in a sentence.")
    last_transition_time: Timestamp = Field(description="When status last changed.")
    observed_generation: Count | None = Field(
        default=None, description="Generation of the spec that the condition was decided from."
    )


def find_condition(conditions: list[Condition], kind: ConditionType) -> Condition | None:
    """The condition of this type, if there is one."""
    return next((condition for condition in conditions if condition.type == kind), None)
