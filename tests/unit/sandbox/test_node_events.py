"""Events reach the API server once each, counted when they repeat, even when it is away for a while."""

import asyncio
from typing import Any, cast

import pytest
from sandbox.node import events
from sandbox.node.api import Api, ApiUnavailableError
from sandbox.node.events import EventRecorder

POD: dict[str, Any] = {"metadata": {"namespace": "ns", "name": "p", "uid": "u"}}


class EventApi:
    """Keeps what is posted and patched."""

    def __init__(self) -> None:
        self.available = True
        self.posted: list[dict[str, Any]] = []
        self.patched: list[tuple[str, dict[str, Any]]] = []

    async def post(self, _path: str, body: dict[str, Any]) -> dict[str, Any]:
        if not self.available:
            raise ApiUnavailableError("down")
        self.posted.append(body)
        return body

    async def patch(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.patched.append((path, body))
        return {**self.posted[0], **body}


async def settle(recorder: EventRecorder) -> None:
    task = asyncio.create_task(recorder.run())
    await asyncio.sleep(0.05)
    task.cancel()


async def test_repeated_event_is_counted() -> None:
    api = EventApi()
    recorder = EventRecorder(cast(Api, api), "n")
    for _ in range(3):
        recorder.pod(POD, "Warning", "BackOff", "again")
    recorder.pod(POD, "Normal", "Started", "Container started", "spec.containers{main}")
    await settle(recorder)
    assert [(event["reason"], event["count"]) for event in api.posted] == [("BackOff", 1), ("Started", 1)]
    assert [body["count"] for _, body in api.patched] == [2, 3]
    assert api.patched[0][0].endswith(api.posted[0]["metadata"]["name"])
    assert api.posted[1]["involvedObject"]["fieldPath"] == "spec.containers{main}"


async def test_event_waits_for_the_api_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "RETRY_SECONDS", 0.001)
    api = EventApi()
    api.available = False
    recorder = EventRecorder(cast(Api, api), "n")
    recorder.pod(POD, "Normal", "Killing", "Stopping container main")
    await settle(recorder)
    assert api.posted == []
    api.available = True
    await settle(recorder)
    assert [event["reason"] for event in api.posted] == ["Killing"]
