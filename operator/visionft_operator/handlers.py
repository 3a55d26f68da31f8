"""What happens on an event: the cache learns it, and the resource that it is about is reconciled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from visionft_operator.cache import Cache
from visionft_operator.freshness import resource_key
from visionft_operator.ingest.ports import ResourceKey
from visionft_operator.kube import Kind


class Waker(Protocol):
    """The part of `startup.Operator` that handlers use."""

    cache: Cache

    def wake(self, key: ResourceKey) -> None:
        """Reconcile this resource soon."""


def on_event(operator: Waker, kind: Kind, event: Mapping[str, Any]) -> None:
    """Take in a watch event (type ADDED, MODIFIED, DELETED, or None in an initial list)."""
    body = dict(event["object"])
    news = operator.cache[kind].saw_event(event["type"], body)
    key = resource_key(kind, body["metadata"])
    if news and key is not None:
        operator.wake(key)
