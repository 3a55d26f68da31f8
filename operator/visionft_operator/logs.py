"""Structured logs: one JSON object a line, with the namespace/name of the resource that the line is about."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TextIO

from visionft_operator.names import resource_of_child

_resource: ContextVar[str | None] = ContextVar("resource", default=None)

KIND = "VisionFineTune"


@contextmanager
def about(namespace: str, name: str) -> Iterator[None]:
    """Every line logged inside, by whatever library, is about this resource."""
    token = _resource.set(f"{namespace}/{name}")
    try:
        yield
    finally:
        _resource.reset(token)


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without the line feed."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        resource = _resource_of(record)
        if resource:
            line["resource"] = resource
        fields = getattr(record, "fields", None)
        if isinstance(fields, dict):
            line.update(fields)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def _resource_of(record: logging.LogRecord) -> str | None:
    """The resource of our own lines is in the context, that of kopf's in the reference kopf puts on its records."""
    inside = _resource.get()
    if inside:
        return inside
    reference = getattr(record, "k8s_ref", None)
    if not isinstance(reference, dict) or not reference.get("name"):
        return None
    name = str(reference["name"])
    if reference.get("kind") != KIND:
        name = resource_of_child(name) or name
    return f"{reference.get('namespace')}/{name}"


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send every logger's lines through the formatter to `stream` (default: standard error)."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # One line for each pod event and each scrape would drown what matters.
    for noisy in ("aiohttp.access", "kopf.objects", "asyncio"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level]))
