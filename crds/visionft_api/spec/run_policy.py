"""`spec.runPolicy`: when a run stops, is tried again, or is repeated."""

from datetime import timedelta
from typing import Literal

from pydantic import Field

from visionft_api.base import ApiModel
from visionft_api.durations import parse_duration
from visionft_api.fields import DURATION_PATTERN, Duration
from visionft_api.rules import Rule, malformed


class RunPolicySpec(ApiModel):
    """Limits of a run."""

    suspend: bool = Field(
        default=False,
        description="Hold the run: a training that is under way saves a checkpoint and gives its GPU back.",
    )
    active_deadline: Duration | None = Field(
        default=None,
        description='Time that a run may take, such as "24h", waiting and retries included. Counts from when the '
        "run's Job started; a suspension starts it anew when it ends. Absent: no limit.",
    )
    pending_deadline: Duration | None = Field(
        default=None,
        description='Time that a run may wait for its pod to start, such as "30m". Counts from when the run\'s Job was '
        "created, or resumed if it was suspended. Absent: no limit.",
    )
    backoff_limit: int = Field(
        default=3, ge=0, le=100, description="How often a failed pod is replaced. Evictions do not count."
    )
    job_ttl: Duration | None = Field(
        default=None,
        alias="jobTTL",
        description='How long a finished Job is kept, such as "24h". Absent: as long as the resource.',
    )
    check: Literal["Inline", "Before"] = Field(
        default="Inline",
        description="When the data is checked. Inline: in the run's own pod, before it loads the model. Before: in a "
        "Job of its own that asks for no GPU, and only if that succeeds is the run's Job created.",
    )
    rerun: str | None = Field(
        default=None, min_length=1, max_length=63, description="Any new text starts another run without another change."
    )

    rules = (
        Rule(
            cel="!has(self.activeDeadline) || duration(self.activeDeadline) > duration('0s')",
            holds=lambda m: m.active_deadline is None or parse_duration(m.active_deadline) > timedelta(0),
            message='activeDeadline "{activeDeadline}" must be above 0; remove it for no limit',
            at="activeDeadline",
            unless=(malformed("activeDeadline", DURATION_PATTERN),),
        ),
        Rule(
            cel="!has(self.pendingDeadline) || duration(self.pendingDeadline) > duration('0s')",
            holds=lambda m: m.pending_deadline is None or parse_duration(m.pending_deadline) > timedelta(0),
            message='pendingDeadline "{pendingDeadline}" must be above 0; remove it for no limit',
            at="pendingDeadline",
            unless=(
                malformed("pendingDeadline", DURATION_PATTERN),
                malformed("activeDeadline", DURATION_PATTERN),
            ),
        ),
        Rule(
            cel="!has(self.pendingDeadline) || !has(self.activeDeadline) || "
            "duration(self.pendingDeadline) < duration(self.activeDeadline)",
            holds=lambda m: (
                m.pending_deadline is None
                or m.active_deadline is None
                or parse_duration(m.pending_deadline) < parse_duration(m.active_deadline)
            ),
            message='pendingDeadline "{pendingDeadline}" must be below activeDeadline "{activeDeadline}", which counts '
            "the waiting too; lower the one or raise the other",
            at="pendingDeadline",
            unless=(
                malformed("pendingDeadline", DURATION_PATTERN),
                malformed("activeDeadline", DURATION_PATTERN),
            ),
        ),
    )
