"""The termination message: the last word of a trainer, which outlives an operator that was not listening."""

from collections.abc import Callable, Sequence
from typing import Annotated

from pydantic import Field, ValidationError

from visionft_api.base import ApiModel
from visionft_api.shown import CUT, shorten
from visionft_api.status import Artifact, Artifacts, DataSummary, Estimate, Evaluation, Intervals, Resolved, Stage

MAX_BYTES = 4096
"""A kubelet keeps no more of a container's termination message."""


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


Step = Callable[[TerminationMessage], TerminationMessage]


def encode(message: TerminationMessage) -> bytes:
    """JSON of at most MAX_BYTES: one thing after the other goes, as in `STEPS`, until it fits.

    Verdict, conclusion, the first metric and the artifacts' digests stay the longest: nothing else may know them.
    """
    for step in STEPS:
        text = _json(message)
        if len(text) <= MAX_BYTES:
            return text
        message = step(message)
    return _json(message)


def _json(message: TerminationMessage) -> bytes:
    return message.model_dump_json(by_alias=True, exclude_none=True).encode()


def _without(*fields: str) -> Step:
    return lambda message: message.model_copy(update=dict.fromkeys(fields))


def _measured_without(*fields: str) -> Step:
    def step(message: TerminationMessage) -> TerminationMessage:
        if message.evaluation is None:
            return message
        return message.model_copy(
            update={"evaluation": message.evaluation.model_copy(update=dict.fromkeys(fields))},
        )

    return step


def _end_of_detail(message: TerminationMessage) -> TerminationMessage:
    """The end of detail that is likely to fit; the end of a traceback is what tells."""
    if message.detail is None:
        return message
    room = MAX_BYTES - len(_json(message.model_copy(update={"detail": ""}))) - 16
    # A quarter of the room in characters holds even if each becomes a four-byte or escaped one.
    return message.model_copy(update={"detail": "…" + message.detail[-room // 4 * 3 :] if room > 64 else None})


def _message_of(length: int) -> Step:
    def step(message: TerminationMessage) -> TerminationMessage:
        text = message.message
        return message.model_copy(update={"message": shorten(text, length)})

    return step


def _intervals_of_change(message: TerminationMessage) -> TerminationMessage:
    """Of the intervals those that gates against the base model are judged by."""
    if message.evaluation is None or message.evaluation.intervals is None:
        return message
    intervals = Intervals(delta=message.evaluation.intervals.delta)
    return message.model_copy(update={"evaluation": message.evaluation.model_copy(update={"intervals": intervals})})


def _first_metric(message: TerminationMessage) -> TerminationMessage:
    """Of the metrics the first, which conclusions are about."""
    found = message.evaluation
    if found is None:
        return message
    name = next(iter(found.tuned or found.baseline or {}), "")
    only = {
        field: {name: metrics[name]}
        for field in ("baseline", "tuned", "delta")
        if (metrics := getattr(found, field)) and name in metrics
    }
    return message.model_copy(update={"evaluation": found.model_copy(update={**_NO_METRICS, **only})})


_NO_METRICS: dict[str, None] = dict.fromkeys(("baseline", "tuned", "delta"))


def _places_of(length: int) -> Step:
    def step(message: TerminationMessage) -> TerminationMessage:
        if message.artifacts is None:
            return message
        return message.model_copy(
            update={"artifacts": [a.model_copy(update={"uri": shorten(a.uri, length)}) for a in message.artifacts]}
        )

    return step


STEPS: tuple[Step, ...] = (
    _without("data"),
    _end_of_detail,
    _without("detail"),
    _measured_without("vision", "general", "prompts"),
    _measured_without("warnings"),
    _intervals_of_change,
    _message_of(512),
    _without("resolved", "estimate"),
    _measured_without("intervals"),
    _first_metric,
    _measured_without("summary", "display"),
    _places_of(256),
    _places_of(64),
    _message_of(64),
    _places_of(8),
    # Only texts in which every character takes six bytes come as far as this.
    _without("artifacts"),
)
"""What goes, in this order. Each later report has it all, and result.json too."""


def whole_again(artifacts: Sequence[Artifact], reported: Sequence[Artifact]) -> tuple[Artifact, ...]:
    """The artifacts of a message; one whose place was cut gets it from the reports, where they have it."""

    def whole(artifact: Artifact) -> Artifact:
        if not artifact.uri.endswith(CUT):
            return artifact
        begins = artifact.uri.removesuffix(CUT)
        same = (
            other
            for other in reported
            if (other.kind, other.digest) == (artifact.kind, artifact.digest) and other.uri.startswith(begins)
        )
        return next(same, artifact)

    return tuple(whole(artifact) for artifact in artifacts) or tuple(reported)


def decode(text: str | bytes) -> TerminationMessage | None:
    """Read a termination message; None when it is not one of ours (another image, or a log's tail)."""
    try:
        return TerminationMessage.model_validate_json(text, extra="ignore")
    except ValidationError:
        return None
