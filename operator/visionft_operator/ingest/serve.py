"""Serves the application over TLS, with limits on connections that aiohttp's ready-made sites do not have.

running = await serve(app, certificate.ssl_context, "0.0.0.0", 8443, Limits())
...
await running.close()
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from http import HTTPStatus

from aiohttp import web

from visionft_operator.ingest.limits import HEADER_BYTES, HEADERS, LINE_BYTES, LINGER_SECONDS, Limits
from visionft_operator.ingest.rate import RateLimiter
from visionft_operator.ingest.refusal import RefusedError

CLOSE_SECONDS = 5.0
"""How long requests under way may take to end when the server stops."""

LOGGED_CUTS_PER_SECOND = 1 / 60
"""How often the log says that connections are cut off."""

logger = logging.getLogger(__name__)


class RunningServer:
    """A server that listens. `port` is the one it got when it was asked for port 0."""

    def __init__(self, runner: web.AppRunner, server: asyncio.Server) -> None:
        self._runner = runner
        self._server = server
        self.port: int = server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening, let requests under way end, close all connections."""
        self._server.close()
        await self._runner.cleanup()


async def serve(
    app: web.Application, ssl_context: ssl.SSLContext | None, host: str, port: int, limits: Limits
) -> RunningServer:
    """Listen on `host`:`port` until closed. Raises OSError when the address cannot be had.

    Without `ssl_context` the server speaks plain HTTP, for a proxy on the same host only.
    """
    runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=CLOSE_SECONDS)
    await runner.setup()
    manager = runner.server
    if manager is None:
        raise RuntimeError("the runner made no server")
    loop = asyncio.get_running_loop()
    log_rate: RateLimiter[None] = RateLimiter(LOGGED_CUTS_PER_SECOND, 1, 1, loop.time)
    server = await loop.create_server(
        lambda: _Connection(manager, limits, loop, log_rate),
        host,
        port,
        ssl=ssl_context,
        ssl_handshake_timeout=limits.handshake_seconds if ssl_context else None,
        reuse_address=True,
    )
    return RunningServer(runner, server)


class _Connection(web.RequestHandler):
    """One connection. Too many are cut off; what is not HTTP gets a `Status` too, and no traceback in the log."""

    __slots__ = ("_log_rate", "_most")

    def __init__(
        self, manager: web.Server, limits: Limits, loop: asyncio.AbstractEventLoop, log_rate: RateLimiter[None]
    ) -> None:
        super().__init__(
            manager,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]  # None is what turns it off
            auto_decompress=False,
            keepalive_timeout=limits.idle_seconds,
            lingering_time=LINGER_SECONDS,
            max_line_size=LINE_BYTES,
            max_field_size=HEADER_BYTES,
            max_headers=HEADERS,
        )
        self._most = limits.connections
        self._log_rate = log_rate

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        manager = self._manager
        if manager is not None and len(manager.connections) >= self._most and isinstance(transport, asyncio.Transport):
            if not self._log_rate.take(None):
                logger.warning("report server has %d connections: more are cut off", self._most)
            transport.abort()
            return
        super().connection_made(transport)

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.error("report server failed before a request reached it", exc_info=exc)
            refused = RefusedError(HTTPStatus.INTERNAL_SERVER_ERROR, "the report server failed; its log says why")
        else:
            logger.debug("not HTTP from %s: %s", request.remote, message)
            refused = RefusedError(
                HTTPStatus.BAD_REQUEST,
                f"the request is not HTTP/1.1 that is understood here: send at most {HEADERS} headers, none above "
                f"{HEADER_BYTES} bytes, and a request line of at most {LINE_BYTES} bytes",
            )
        response = refused.response()
        response.force_close()
        return response
