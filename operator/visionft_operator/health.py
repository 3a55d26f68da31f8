"""/healthz and /readyz: is the operator's picture of the cluster alive, and has it begun to work."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from visionft_operator.freshness import STALE_SECONDS, Freshness


class HealthHandlers:
    """The two aiohttp handlers. `ready` is set once everything has been listed and the report server listens."""

    def __init__(self, freshness: Freshness) -> None:
        self._freshness = freshness
        self.ready = False

    async def healthz(self, request: web.Request) -> web.Response:
        """200 while every watch keeps up, 503 otherwise; the body tells each one's age."""
        if not self.ready:
            return web.json_response({"ok": True, "message": "starting: waiting for the API server and the CRD"})
        healthy, ages = self._freshness.report()
        body: dict[str, object] = {"ok": healthy, "secondsSinceUpToDate": ages}
        if not healthy:
            stale = ", ".join(name for name, age in ages.items() if age > STALE_SECONDS)
            body["message"] = f"not up to date for more than {STALE_SECONDS:g} s: {stale}; the operator should restart"
        return web.json_response(body, status=HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE)

    async def readyz(self, request: web.Request) -> web.Response:
        """200 once the operator works."""
        return web.json_response(
            {"ok": self.ready}, status=HTTPStatus.OK if self.ready else HTTPStatus.SERVICE_UNAVAILABLE
        )
