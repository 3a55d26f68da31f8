"""Builds every shared object once, in order, and closes them in reverse."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import kopf
from aiohttp import web
from kubernetes.aio.client import AuthenticationV1Api

from visionft_operator.build_job import JobSettings
from visionft_operator.cache import Cache
from visionft_operator.controller import Controller
from visionft_operator.directory import CacheDirectory
from visionft_operator.fleet import CacheFleet
from visionft_operator.freshness import Freshness, Resync
from visionft_operator.health import HealthHandlers
from visionft_operator.ingest.limits import Limits
from visionft_operator.ingest.ports import ResourceKey
from visionft_operator.ingest.serve import serve
from visionft_operator.ingest.server import build_app
from visionft_operator.ingest.store import ReportStore
from visionft_operator.ingest.token_cache import CachedAuthenticator
from visionft_operator.ingest.token_review import TokenReviewAuthenticator
from visionft_operator.kube import JOBS, PODS, VISION_FINE_TUNES, ApiError, Kube
from visionft_operator.metrics import Metrics
from visionft_operator.names import MANAGED_SELECTOR
from visionft_operator.reconcile.observed import Environment
from visionft_operator.secret_store import SecretStore
from visionft_operator.settings import Settings
from visionft_operator.tls import ServingCertificate, StoreConflictError
from visionft_operator.workqueue import WorkQueue

KINDS = (VISION_FINE_TUNES, JOBS, PODS)

WATCH_SERVER_SECONDS = 240
"""The API server ends a watch after this time; the next one goes on where it ended."""

WATCH_CLIENT_SECONDS = 300
"""A watch that the API server did not end in time is dead: give it up."""

CONNECT_SECONDS = 10

WAIT_SECONDS = 1.0
"""How often to try again while the API server or the CRD is not there yet."""

logger = logging.getLogger(__name__)


class Operator:
    """Everything the handlers share. kopf hands it to them as `memo`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.cache = Cache(KINDS)
        self._queue: WorkQueue | None = None
        self._closing = AsyncExitStack()

    def __copy__(self) -> Operator:
        """Kopf copies the memo for each object; ours is one for all."""
        return self

    def wake(self, key: ResourceKey) -> None:
        """Reconcile this resource soon."""
        if self._queue is not None:
            self._queue.wake(key)

    async def start(self) -> None:
        """Open everything, wait for the API server and the CRD, and begin to work."""
        settings, closing = self.settings, self._closing
        kube = await Kube.connect(kubeconfig())
        closing.push_async_callback(kube.close)
        freshness = Freshness(KINDS)
        reports = ReportStore()
        metrics = Metrics(CacheFleet(self.cache, reports, freshness))
        health = HealthHandlers(freshness)
        await self._serve_metrics(metrics, health)
        resync = Resync(
            kube, self.cache, freshness, self.wake, settings.watch_namespace, settings.resync_interval_seconds
        )
        await _when_possible("the VisionFineTunes", resync.fill)
        certificate = ServingCertificate(SecretStore(kube, settings.namespace), settings.report_url)
        await _when_possible("the report server's certificate", certificate.refresh)

        def environment() -> Environment:
            return Environment(
                JobSettings(settings.trainer_image, settings.report_url),
                certificate.ca_pem,
                timedelta(seconds=settings.status_interval_seconds),
            )

        controller = Controller(kube, self.cache, reports, metrics, environment, utc_now)
        queue = self._queue = WorkQueue(controller.reconcile)
        await self._serve_reports(kube, certificate, reports, metrics)
        self._background("queue", queue.run())
        self._background("resync", resync.run())
        self._background("certificate", certificate.keep_fresh())
        resync.wake_all()
        health.ready = True
        logger.info("ready: %d resources", len(self.cache[VISION_FINE_TUNES]))

    async def stop(self) -> None:
        """Close everything in reverse."""
        await self._closing.aclose()

    async def _serve_metrics(self, metrics: Metrics, health: HealthHandlers) -> None:
        app = web.Application()
        app.router.add_get("/metrics", metrics.handler)
        app.router.add_get("/healthz", health.healthz)
        app.router.add_get("/readyz", health.readyz)
        runner = web.AppRunner(app, access_log=None, handle_signals=False)
        self._closing.push_async_callback(runner.cleanup)
        await runner.setup()
        bind = self.settings.metrics_bind
        await web.TCPSite(runner, bind.host, bind.port).start()

    async def _serve_reports(
        self, kube: Kube, certificate: ServingCertificate, reports: ReportStore, metrics: Metrics
    ) -> None:
        reviewer = TokenReviewAuthenticator(AuthenticationV1Api(kube.client), utc_now, on_review=metrics.review_took)
        app = build_app(
            CachedAuthenticator(reviewer, utc_now),
            CacheDirectory(self.cache),
            reports,
            Limits(),
            on_report=self.wake,
            clock=utc_now,
            on_response=metrics.report_answered,
        )
        bind = self.settings.report_bind
        server = await serve(app, certificate.ssl_context, bind.host, bind.port, Limits())
        self._closing.push_async_callback(server.close)

    def _background(self, name: str, work: Any) -> None:
        """Run work until the end. Its failure is the operator's: the process ends and is started again."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(_end_process_on_failure)
        self._closing.push_async_callback(_cancel, task)


async def _when_possible(what: str, work: Any) -> None:
    """Await `work()` until it succeeds: at first start the API server, the CRD or the rights may not be there yet."""
    while True:
        try:
            await work()
        except (ApiError, aiohttp.ClientError, TimeoutError, StoreConflictError) as error:
            mend = " (is the CRD installed? kubectl apply -f crds/)" if _is_missing(error) else ""
            logger.warning("waiting for %s: %r%s", what, error, mend)
            await asyncio.sleep(WAIT_SECONDS)
        else:
            return


def _is_missing(error: Exception) -> bool:
    return isinstance(error, ApiError) and error.status == 404


def _end_process_on_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.critical("%s has failed, the operator ends", task.get_name(), exc_info=task.exception())
        logging.shutdown()
        os._exit(1)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def utc_now() -> datetime:
    """The present time."""
    return datetime.now(UTC)


def kubeconfig() -> str | None:
    """The kubeconfig file to use, None to use the pod's service account."""
    return os.environ.get("KUBECONFIG") or None


def kopf_login(**kwargs: Any) -> Any:
    """Credentials for kopf, from the same place as the operator's own."""
    return kopf.login_with_kubeconfig(**kwargs) if kubeconfig() else kopf.login_with_service_account(**kwargs)


def configure_kopf(settings: kopf.OperatorSettings) -> None:
    """Only watching is asked of kopf: no events, no annotations, no scan for new kinds or namespaces."""
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.watching.server_timeout = WATCH_SERVER_SECONDS
    settings.watching.client_timeout = WATCH_CLIENT_SECONDS
    settings.watching.connect_timeout = CONNECT_SECONDS
    settings.networking.connect_timeout = CONNECT_SECONDS
    settings.process.ultimate_exiting_timeout = 20
    for kind in ("jobs", "pods"):
        settings.watching.label_selectors[kind] = MANAGED_SELECTOR
