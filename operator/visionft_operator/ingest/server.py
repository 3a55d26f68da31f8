"""The report server's one route: from a request to a stored report.

    app = build_app(authenticator, directory, store, Limits(), on_report=wake, clock=utc_now)

The order of the checks is from cheap to dear and from public to private: address, method, content type, token, rights,
rate, and only then the body, so that a stranger cannot make the server read one.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from http import HTTPMethod, HTTPStatus

from aiohttp import hdrs, web

from visionft_operator.ingest.authorize import authorize
from visionft_operator.ingest.body import check_headers, read_json
from visionft_operator.ingest.limits import LOGGED_REFUSALS_PER_SECOND, RETRY_AFTER_SECONDS, Limits
from visionft_operator.ingest.ports import (
    AuthenticationUnavailableError,
    Authenticator,
    Clock,
    Directory,
    Identity,
    OnReport,
    ResourceKey,
    UnauthenticatedError,
)
from visionft_operator.ingest.rate import RateLimiter
from visionft_operator.ingest.refusal import RefusedError
from visionft_operator.ingest.store import ReportStore
from visionft_operator.ingest.wire import read_report

PATH = re.compile(
    r"/apis/visionft\.dev/v1alpha1/namespaces/(?P<namespace>[a-z0-9-]{1,63})"
    r"/visionfinetunes/(?P<name>[a-z0-9.-]{1,253})/runs/(?P<run>[1-9][0-9]{0,8})/report"
)

logger = logging.getLogger(__name__)


def build_app(
    authenticator: Authenticator,
    directory: Directory,
    store: ReportStore,
    limits: Limits,
    on_report: OnReport,
    clock: Clock,
    on_response: Callable[[int], None] = lambda code: None,
    monotonic: Callable[[], float] = time.monotonic,
) -> web.Application:
    """Return the application that takes reports.

    `on_report` is called with the resource's key when a report changed the store, `on_response` with the code of every
    answer. `clock` stamps the reports, `monotonic` (seconds) drives the rate limit.
    """
    server = _ReportServer(authenticator, directory, store, limits, on_report, clock, on_response, monotonic)
    app = web.Application(client_max_size=limits.body_bytes)
    # Everything comes here, line feeds in the path included: aiohttp's own 404 and 405 are no Status objects.
    app.router.add_route(hdrs.METH_ANY, r"/{path:[\s\S]*}", server.answer)
    return app


class _ReportServer:
    def __init__(
        self,
        authenticator: Authenticator,
        directory: Directory,
        store: ReportStore,
        limits: Limits,
        on_report: OnReport,
        clock: Clock,
        on_response: Callable[[int], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._authenticator = authenticator
        self._directory = directory
        self._store = store
        self._limits = limits
        self._on_report = on_report
        self._clock = clock
        self._on_response = on_response
        self._rate: RateLimiter[ResourceKey] = RateLimiter(
            limits.reports_per_second, limits.report_burst, limits.tracked_resources, monotonic
        )
        self._log_rate: RateLimiter[None] = RateLimiter(
            LOGGED_REFUSALS_PER_SECOND, LOGGED_REFUSALS_PER_SECOND, 1, monotonic
        )
        self._refusals_not_logged = 0
        self._under_way = 0

    async def answer(self, request: web.Request) -> web.Response:
        """Answer one request. Whatever goes wrong, the client gets a `Status` and never a traceback."""
        self._under_way += 1
        try:
            if self._under_way > self._limits.concurrent_requests:
                raise _busy("the report server is busy")
            await self._take(request)
            response = web.json_response({})
        except RefusedError as refused:
            self._log(request, refused)
            response = refused.response()
        except Exception:
            logger.exception("report to %s failed", _told_path(request), extra=_about(request))
            response = RefusedError(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                "the report server failed; its log says why. Training goes on: send the next report",
            ).response()
        finally:
            self._under_way -= 1
        self._on_response(response.status)
        return response

    async def _take(self, request: web.Request) -> None:
        key, run = _address(request)
        if request.method != HTTPMethod.POST:
            raise RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, f"{request.method} is not served here: send a POST")
        check_headers(request, self._limits)
        identity = await self._authenticate(request)
        authorize(identity, key, run, self._directory)
        wait = self._rate.take(key)
        if wait:
            raise RefusedError(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"{key} reports more than {self._limits.reports_per_second:g} times a second: wait {wait} s",
                retry_after=wait,
            )
        report = read_report(await read_json(request, self._limits), self._clock())
        # The body took its time: the run may have ended or the pod gone meanwhile.
        reporter = authorize(identity, key, run, self._directory)
        if self._store.put(reporter.uid, reporter.run, report, reporter.pod_uid, self._clock()):
            self._on_report(key)

    async def _authenticate(self, request: web.Request) -> Identity:
        sent = request.headers.getall(hdrs.AUTHORIZATION, [])
        scheme, _, token = sent[0].partition(" ") if len(sent) == 1 else ("", "", "")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise RefusedError(
                HTTPStatus.UNAUTHORIZED,
                "the request has no bearer token: send Authorization: Bearer and the content of the file that "
                "VISIONFT_REPORT_TOKEN_FILE names",
            )
        try:
            return await self._authenticator.authenticate(token)
        except UnauthenticatedError as error:
            raise RefusedError(HTTPStatus.UNAUTHORIZED, str(error)) from error
        except AuthenticationUnavailableError as error:
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, str(error), retry_after=RETRY_AFTER_SECONDS) from error

    def _log(self, request: web.Request, refused: RefusedError) -> None:
        """Log a refusal, unless strangers have made too many: then tell how many were left out with the next one."""
        if self._log_rate.take(None):
            self._refusals_not_logged += 1
            return
        left_out = (
            f" ({self._refusals_not_logged} refusals before this one not logged)" if self._refusals_not_logged else ""
        )
        self._refusals_not_logged = 0
        logger.warning("report to %s refused: %s%s", _told_path(request), refused, left_out, extra=_about(request))


def _address(request: web.Request) -> tuple[ResourceKey, int]:
    match = PATH.fullmatch(request.path)
    if match is None:
        raise RefusedError(
            HTTPStatus.NOT_FOUND,
            "there is nothing at this address: post to the VISIONFT_REPORT_URL of the training pod",
        )
    return ResourceKey(match["namespace"], match["name"]), int(match["run"])


def _busy(problem: str) -> RefusedError:
    return RefusedError(
        HTTPStatus.TOO_MANY_REQUESTS,
        f"{problem}: try again in {RETRY_AFTER_SECONDS} s",
        retry_after=RETRY_AFTER_SECONDS,
    )


def _told_path(request: web.Request) -> str:
    """The path for the log: encoded, so that it stays on its line, and short."""
    return request.raw_path[:300]


def _about(request: web.Request) -> dict[str, dict[str, str]]:
    """The field that puts the resource's namespace/name on a structured log line."""
    match = PATH.fullmatch(request.path)
    return {"fields": {"resource": f"{match['namespace']}/{match['name']}"}} if match else {}
