"""The termination message: the last word of a trainer, which outlives an operator that was not listening."""

from typing import Annotated

from pydantic import Field, ValidationError

from visionft_api.base import ApiModel
from visionft_api.status import Artifacts, DataSummary, Estimate, Evaluation, Resolved, Stage

MAX_BYTES = 4096
"""A kubelet keeps no more of a container's termination message."""
_SHORT_MESSAGE = 512


class TerminationMessage(ApiModel):
    """How a trainer process ended."""

    run: int = Field(default=1, ge=1, description="Number of the run.")
    exit_code: int = Field(ge=0, le=255, description="Exit code that the process ends with.")
    reason: str = Field(max_length=64, description="Why, in one word: a reason of the condition Succeeded.")
    message: str = Field(default="", description="What happened and what to do, in a sentence.")
    stage: Annotated[Stage, Field(strict=False)] | None = Field(default=None, description="Stage that it ended in.")
    detail: str | None = Field(
        default=None, description="More, such as the end of a traceback. Left out when too long."
    )
    evaluation: Evaluation | None = Field(default=None, description="What was measured.")
    artifacts: Artifacts | None = Field(default=None, description="What was written.")
    resolved: Resolved | None = Field(default=None, description="What names in the spec turned out to be.")
    data: DataSummary | None = Field(
        default=None, description="What the check of the data found. Left out when too long."
    )
    estimate: Estimate | None = Field(default=None, description="What the run was expected to need.")


def encode(message: TerminationMessage) -> bytes:
    """JSON of at most MAX_BYTES: data goes first, then detail, then the message is cut, then what was resolved goes.

    The verdict's metrics and the artifacts' digests stay: nothing else may know them.
    """
    whole, message = message, message.model_copy(update={"data": None})
    cut = message.message[:_SHORT_MESSAGE] + ("…" if len(message.message) > _SHORT_MESSAGE else "")
    bare = message.model_copy(update={"detail": None, "message": cut, "resolved": None, "estimate": None})
    attempts = (
        whole,
        message,
        message.model_copy(update={"detail": _tail(message)}),
        message.model_copy(update={"detail": None}),
        message.model_copy(update={"detail": None, "message": cut}),
        bare,
        bare.model_copy(update={"artifacts": None}),
        bare.model_copy(update={"artifacts": None, "evaluation": None}),
    )
    encoded = (attempt.model_dump_json(by_alias=True, exclude_none=True).encode() for attempt in attempts)
    return next(text for text in encoded if len(text) <= MAX_BYTES)


def _tail(message: TerminationMessage) -> str | None:
    """The end of detail that is likely to fit; the end of a traceback is what tells."""
    if message.detail is None:
        return None
    without = message.model_copy(update={"detail": ""})
    room = MAX_BYTES - len(without.model_dump_json(by_alias=True, exclude_none=True).encode()) - 16
    # A quarter of the room in characters holds even if each becomes a four-byte or escaped one.
    return "…" + message.detail[-room // 4 * 3 :] if room > 64 else None


def decode(text: str | bytes) -> TerminationMessage | None:
    """Read a termination message; None when it is not one of ours (another image, or a log's tail)."""
    try:
        return TerminationMessage.model_validate_json(text, extra="ignore")
    except ValidationError:
        return None
