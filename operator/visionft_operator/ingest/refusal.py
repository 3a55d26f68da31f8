"""Answers that say no: each is a Kubernetes `Status` object, so that `kubectl`-minded people and clients can read them.

A `RefusedError` is raised wherever the decision falls and turned into a response in one place.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from aiohttp import web

# The reasons that Kubernetes' own API machinery uses for these codes; where it has none, the HTTP name in its spelling.
REASONS = {
    HTTPStatus.BAD_REQUEST: "BadRequest",
    HTTPStatus.UNAUTHORIZED: "Unauthorized",
    HTTPStatus.FORBIDDEN: "Forbidden",
    HTTPStatus.NOT_FOUND: "NotFound",
    HTTPStatus.METHOD_NOT_ALLOWED: "MethodNotAllowed",
    HTTPStatus.REQUEST_TIMEOUT: "Timeout",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "RequestEntityTooLarge",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "UnsupportedMediaType",
    HTTPStatus.UNPROCESSABLE_ENTITY: "Invalid",
    HTTPStatus.TOO_MANY_REQUESTS: "TooManyRequests",
    HTTPStatus.INTERNAL_SERVER_ERROR: "InternalError",
    HTTPStatus.SERVICE_UNAVAILABLE: "ServiceUnavailable",
}


@dataclass(frozen=True)
class Cause:
    """One wrong field of a body: its path, and what is wrong with it and how to mend it."""

    field: str
    message: str


class RefusedError(Exception):
    """A request that is not served. `message` is for whoever runs the client and names the mend."""

    def __init__(
        self, code: HTTPStatus, message: str, causes: tuple[Cause, ...] = (), retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.causes = causes
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.code.value} {REASONS[self.code]}: {self.message}"

    def body(self) -> dict[str, Any]:
        """Return the `Status` object."""
        details: dict[str, Any] = {}
        if self.causes:
            details["causes"] = [
                {"reason": "FieldValueInvalid", "field": cause.field, "message": cause.message} for cause in self.causes
            ]
        if self.retry_after is not None:
            details["retryAfterSeconds"] = self.retry_after
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": REASONS[self.code],
            **({"details": details} if details else {}),
            "code": self.code.value,
        }

    def response(self) -> web.Response:
        """Return the HTTP response. The connection is closed where the body may not have been read to its end."""
        headers: dict[str, str] = {}
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        if self.code is HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        if self.code is HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = "POST"
        response = web.Response(
            status=self.code.value,
            body=json.dumps(self.body()).encode(),
            content_type="application/json",
            headers=headers,
        )
        if self.code in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE):
            response.force_close()
        return response


def invalid(causes: Iterable[Cause]) -> RefusedError:
    """Return the refusal of a body whose fields are wrong, telling all of them in one message."""
    causes = tuple(causes)
    told = "; ".join(f"{cause.field}: {cause.message}" for cause in causes)
    return RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, f"the report is invalid: {told}", causes)
