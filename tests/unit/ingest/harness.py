"""A running report server with everything around it played: who a token is, what the cluster holds, what time it is."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from visionft_operator.ingest.limits import Limits
from visionft_operator.ingest.ports import CurrentRun, Identity, ResourceKey, UnauthenticatedError
from visionft_operator.ingest.serve import RunningServer, serve
from visionft_operator.ingest.server import build_app
from visionft_operator.ingest.store import ReportStore

START = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """A clock that stands still until it is told to go."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return (self.now - START).total_seconds()

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Cluster:
    """Plays the authenticator and the directory: team-a/ocr is at run 2, whose pod holds the token `good`."""

    def __init__(self) -> None:
        def bound(pod: str, namespace: str = "team-a") -> Identity:
            return Identity(f"system:serviceaccount:{namespace}:default", namespace, pod, f"{pod}-uid")

        self.identities: dict[str, Identity | Exception] = {
            "good": bound("ocr-run-2-x"),
            "replacement": bound("ocr-run-2-y"),
            "old-run": bound("ocr-run-1-x"),
            "other-resource": bound("other-run-2-x"),
            "no-job": bound("shell"),
            "gone": bound("ocr-run-2-gone"),
            "other-namespace": bound("ocr-run-2-x", "team-b"),
            "unbound": Identity("system:serviceaccount:team-a:default", "team-a", None, None),
            "refused": UnauthenticatedError("the token is refused: mend it"),
        }
        self.runs = {
            ("team-a", "ocr"): CurrentRun("ocr-uid", 2, "ocr-job-2"),
            ("team-a", "other"): CurrentRun("other-uid", 2, "other-job-2"),
        }
        self.pods = {
            ("team-a", "ocr-run-2-x", "ocr-run-2-x-uid"): "ocr-job-2",
            ("team-a", "ocr-run-2-y", "ocr-run-2-y-uid"): "ocr-job-2",
            ("team-a", "ocr-run-1-x", "ocr-run-1-x-uid"): "ocr-job-1",
            ("team-a", "other-run-2-x", "other-run-2-x-uid"): "other-job-2",
            ("team-b", "ocr-run-2-x", "ocr-run-2-x-uid"): "ocr-job-2",
        }

    async def authenticate(self, token: str) -> Identity:
        answer = self.identities.get(token, UnauthenticatedError("the token is unknown: mend it"))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def current_run(self, namespace: str, name: str) -> CurrentRun | None:
        return self.runs.get((namespace, name))

    def pod_job_uid(self, namespace: str, pod_name: str, pod_uid: str) -> str | None:
        return self.pods.get((namespace, pod_name, pod_uid))


def report(sequence: int = 1, stage: str = "train", **fields: Any) -> dict[str, Any]:
    """A good body; `fields` replace or add fields of the report, None takes one away."""
    body = {
        "sequence": sequence,
        "stage": stage,
        "sentAt": "2026-01-01T00:00:00Z",
        "progress": {"percent": 10},
    } | fields
    return {"report": {name: value for name, value in body.items() if value is not None}}


def path(namespace: str = "team-a", name: str = "ocr", run: int | str = 2) -> str:
    return f"/apis/visionft.dev/v1alpha1/namespaces/{namespace}/visionfinetunes/{name}/runs/{run}/report"


@dataclass
class Answer:
    code: int
    body: dict[str, Any]
    headers: dict[str, str]


@dataclass
class Harness:
    """The server, what it was built from, and a client."""

    limits: Limits
    cluster: Cluster = field(default_factory=Cluster)
    clock: Clock = field(default_factory=Clock)
    store: ReportStore = field(default_factory=ReportStore)
    woken: list[ResourceKey] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)

    async def start(self) -> None:
        app = build_app(
            self.cluster,
            self.cluster,
            self.store,
            self.limits,
            on_report=self.woken.append,
            clock=self.clock,
            on_response=self.codes.append,
            monotonic=self.clock.monotonic,
        )
        self.running: RunningServer = await serve(app, None, "127.0.0.1", 0, self.limits)
        self.session = aiohttp.ClientSession(f"http://127.0.0.1:{self.running.port}")

    async def close(self) -> None:
        await self.session.close()
        await self.running.close()

    async def send(
        self,
        body: Any = None,
        token: str | None = "good",
        to: str | None = None,
        method: str = "POST",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send a report (default: a good one); bytes go as they are."""
        data = (
            body
            if isinstance(body, bytes) or hasattr(body, "__aiter__")
            else json.dumps(report() if body is None else body).encode()
        )
        sent = {"Content-Type": "application/json"}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        async with self.session.request(method, to or path(), data=data, headers=sent | (headers or {})) as response:
            text = await response.read()
            return Answer(response.status, json.loads(text) if text else {}, dict(response.headers))

    @property
    def latest(self):
        return self.store.latest("ocr-uid", 2)
