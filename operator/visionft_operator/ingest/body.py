"""Reads a request's body within its limits and decodes it as JSON."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Any

from aiohttp import web

from visionft_operator.ingest.limits import Limits
from visionft_operator.ingest.refusal import RefusedError

CONTENT_TYPE = "application/json"


def check_headers(request: web.BaseRequest, limits: Limits) -> None:
    """Refuse by its headers a body that would be refused after reading it.

    Raises RefusedError for another content type (415), a compressed body (415) and a length above the limit (413).
    """
    if request.content_type != CONTENT_TYPE or (request.charset or "utf-8").lower() not in ("utf-8", "us-ascii"):
        sent = request.headers.get("Content-Type", "no Content-Type")[:100]
        raise RefusedError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"{sent} is not understood: send Content-Type: {CONTENT_TYPE} in UTF-8"
        )
    encoding = request.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        raise RefusedError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Content-Encoding {encoding[:100]} is not understood: send the JSON as it is",
        )
    if request.content_length is not None and request.content_length > limits.body_bytes:
        raise _too_large(limits)


async def read_json(request: web.BaseRequest, limits: Limits) -> dict[str, Any]:
    """Return the body, a JSON object.

    Raises RefusedError when it is too large (413, also without a Content-Length), slow (408) or not a JSON object
    (400).
    """
    data = bytearray()
    try:
        async with asyncio.timeout(limits.body_seconds):
            async for chunk in request.content.iter_any():
                data += chunk
                if len(data) > limits.body_bytes:
                    raise _too_large(limits)
    except TimeoutError as error:
        raise RefusedError(
            HTTPStatus.REQUEST_TIMEOUT,
            f"the body did not arrive within {limits.body_seconds:g} s: send the report again, in one piece",
        ) from error
    except (web.RequestPayloadError, ConnectionError) as error:
        raise _not_json("the body broke off") from error
    try:
        document = json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise _not_json(str(error) or "nested too deep") from error
    if not isinstance(document, dict):
        raise _not_json(f"it is a {type(document).__name__}, not an object")
    return document


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number; leave the field out when there is no value")


def _not_json(problem: str) -> RefusedError:
    return RefusedError(
        HTTPStatus.BAD_REQUEST, f'the body is not a JSON object: {problem}. Send {{"report": {{...}}}} in UTF-8'
    )


def _too_large(limits: Limits) -> RefusedError:
    return RefusedError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"the body has more than {limits.body_bytes} bytes: send fewer metrics or artifacts in one report",
    )
