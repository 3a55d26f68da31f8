"""Moments as Kubernetes writes them: RFC 3339, UTC, whole seconds."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, Field, PlainSerializer


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)


def format_timestamp(moment: datetime) -> str:
    """The moment as Kubernetes writes it, such as "2026-01-31T08:00:00Z"."""
    return _in_utc(moment).strftime("%Y-%m-%dT%H:%M:%SZ")


Timestamp = Annotated[
    datetime,
    # JSON has no timestamps: a string is read here although the models coerce nothing else.
    Field(strict=False),
    AfterValidator(_in_utc),
    PlainSerializer(format_timestamp, when_used="json"),
]
