"""The report server as the operator runs it: TLS, TokenReview with least rights, what the API server holds."""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
from kubernetes.aio.client import AuthenticationV1Api
from sandbox.cluster import Cluster
from visionft_operator.cache import Cache
from visionft_operator.directory import CacheDirectory
from visionft_operator.ingest.limits import Limits
from visionft_operator.ingest.ports import Clock
from visionft_operator.ingest.serve import serve
from visionft_operator.ingest.server import build_app
from visionft_operator.ingest.store import ReportStore
from visionft_operator.ingest.token_cache import CachedAuthenticator
from visionft_operator.ingest.token_review import TokenReviewAuthenticator
from visionft_operator.kube import JOBS, PODS, VISION_FINE_TUNES, Kube
from visionft_operator.tls import ServingCertificate

NAME = "ocr"
KINDS = (VISION_FINE_TUNES, JOBS, PODS)


def utc_now() -> datetime:
    """The present time."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Team:
    """A namespace with resource `ocr` at run 2, the pods of its runs, another resource, and pods of no run."""

    namespace: str
    pod: str
    old_pod: str
    other_pod: str
    stray_pod: str


class MemoryStore:
    """A CertificateStore that keeps nothing."""

    async def load(self) -> None:
        """Return that nothing is stored."""

    async def save(self, data: Any) -> None:
        """Forget it."""


@dataclass
class Answer:
    code: int
    body: dict[str, Any]


@dataclass
class Server:
    """A running report server and a client of it that trusts its CA."""

    cluster: Cluster
    team: Team
    account: str = "reviewer"
    clock: Clock = utc_now
    limits: Limits = field(default_factory=lambda: Limits(body_seconds=0.5))
    store: ReportStore = field(default_factory=ReportStore)
    reviews: list[float] = field(default_factory=list)

    async def __aenter__(self) -> Server:
        self._admin = await Kube.connect(str(self.cluster.kubeconfig))
        self._reviewer = await Kube.connect(str(self.cluster.service_account_kubeconfig("default", self.account)))
        self._cache = Cache(KINDS)
        await self.look()
        reviewer = TokenReviewAuthenticator(
            AuthenticationV1Api(self._reviewer.client), self.clock, on_review=self.reviews.append
        )
        certificate = ServingCertificate(MemoryStore(), "https://localhost:8443")
        await certificate.refresh()
        app = build_app(
            CachedAuthenticator(reviewer, self.clock),
            CacheDirectory(self._cache),
            self.store,
            self.limits,
            on_report=lambda key: None,
            clock=self.clock,
        )
        self._running = await serve(app, certificate.ssl_context, "127.0.0.1", 0, self.limits)
        trust = ssl.create_default_context(cadata=certificate.ca_pem)
        self._session = aiohttp.ClientSession(
            f"https://localhost:{self._running.port}", connector=aiohttp.TCPConnector(ssl=trust)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        await self._running.close()
        await self._admin.close()
        await self._reviewer.close()

    async def look(self) -> None:
        """Take in what the cluster holds now, as the operator's watches would."""
        for part in self._cache:
            part.repair(await self._admin.list(part.kind))

    async def send(
        self,
        token: str | None,
        body: Any = None,
        *,
        run: int = 2,
        name: str = NAME,
        sequence: int = 1,
        method: str = "POST",
    ) -> Answer:
        """Send a report for the team's resource (default: a good one); bytes and generators go as they are."""
        where = f"/apis/visionft.dev/v1alpha1/namespaces/{self.team.namespace}/visionfinetunes/{name}/runs/{run}/report"
        report = {"sequence": sequence, "stage": "train", "sentAt": "2026-01-01T00:00:00Z", "progress": {"percent": 42}}
        data = json.dumps({"report": report} if body is None else body) if isinstance(body, dict | None) else body
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        async with self._session.request(method, where, data=data, headers=headers) as response:
            return Answer(response.status, json.loads(await response.read()))

    def told(self, name: str = NAME) -> Any:
        """What the store holds for the team's resource, run 2."""
        resource = self._cache[VISION_FINE_TUNES].get(self.team.namespace, name)
        assert resource is not None
        return self.store.latest(resource["metadata"]["uid"], 2)
