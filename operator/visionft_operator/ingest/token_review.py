"""Authentication by the API server: a TokenReview for our audience."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from kubernetes.aio import client

from visionft_operator.ingest.limits import CONCURRENT_REVIEWS, REVIEW_SECONDS, TOKEN_BYTES
from visionft_operator.ingest.ports import (
    AuthenticationUnavailableError,
    Clock,
    Identity,
    UnauthenticatedError,
)

AUDIENCE = "visionft-reports"
"""The audience that the pod's projected token is made for and that no other server accepts."""

POD_NAME_EXTRA = "authentication.kubernetes.io/pod-name"
POD_UID_EXTRA = "authentication.kubernetes.io/pod-uid"
USERNAME_PREFIX = "system:serviceaccount:"

CLOCK_LEEWAY = timedelta(minutes=1)
"""How far our clock may be from the API server's before we would refuse a token that it still accepts."""

MEND = "send the token in the file that VISIONFT_REPORT_TOKEN_FILE names, read again for each report"

logger = logging.getLogger(__name__)


class TokenReviewAuthenticator:
    """An `Authenticator` that asks the API server about every token; put a `CachedAuthenticator` before it.

    `on_review` is called with the seconds that each TokenReview took.
    """

    def __init__(
        self,
        api: client.AuthenticationV1Api,
        clock: Clock,
        audience: str = AUDIENCE,
        on_review: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self._api = api
        self._clock = clock
        self._audience = audience
        self._on_review = on_review
        self._places = asyncio.Semaphore(CONCURRENT_REVIEWS)

    async def authenticate(self, token: str) -> Identity:
        """See `ports.Authenticator`. A token that cannot be good is refused without asking."""
        claims = _claims(token)
        expires = _expiry(claims)
        self._refuse_hopeless(claims, expires)
        try:
            async with asyncio.timeout(REVIEW_SECONDS), self._places:
                status = await self._review(token)
        except (client.ApiException, aiohttp.ClientError, TimeoutError, OSError) as error:
            logger.warning("TokenReview failed, reports wait: %s", _told(error))
            raise AuthenticationUnavailableError(
                "the API server could not be asked about the token: send the report again later"
            ) from error
        return _identity(status, self._audience, expires)

    async def _review(self, token: str) -> client.V1TokenReviewStatus:
        body = client.V1TokenReview(spec=client.V1TokenReviewSpec(token=token, audiences=[self._audience]))
        begin = time.monotonic()
        try:
            review = await self._api.create_token_review(body, _request_timeout=REVIEW_SECONDS)
        finally:
            self._on_review(time.monotonic() - begin)
        return review.status or client.V1TokenReviewStatus(authenticated=False)

    def _refuse_hopeless(self, claims: dict[str, Any], expires: datetime | None) -> None:
        """The claims are not verified here: they may only speak against the token."""
        if expires is not None and expires + CLOCK_LEEWAY < self._clock():
            raise UnauthenticatedError(f"the token expired at {expires.isoformat()}: {MEND}")
        audiences = claims.get("aud")
        audiences = [audiences] if isinstance(audiences, str) else audiences
        if isinstance(audiences, list) and self._audience not in audiences:
            told = ", ".join(str(audience) for audience in audiences)[:200]
            raise UnauthenticatedError(f"the token is for audience {told}, not {self._audience}: {MEND}")


def _identity(status: client.V1TokenReviewStatus, audience: str, expires: datetime | None) -> Identity:
    """Read the API server's answer. Raises UnauthenticatedError when it is no."""
    if not status.authenticated:
        raise UnauthenticatedError(f"the API server refuses the token ({status.error or 'no reason given'}): {MEND}")
    if audience not in (status.audiences or []):
        raise UnauthenticatedError(f"the token is not for audience {audience}: {MEND}")
    username = (status.user.username if status.user else None) or ""
    namespace, separator, account = username.removeprefix(USERNAME_PREFIX).partition(":")
    if not username.startswith(USERNAME_PREFIX) or not separator or not namespace or not account:
        raise UnauthenticatedError(f"the token of {username or 'an unnamed user'} is not a service account's: {MEND}")
    extra = (status.user.extra if status.user else None) or {}
    return Identity(username, namespace, _only(extra.get(POD_NAME_EXTRA)), _only(extra.get(POD_UID_EXTRA)), expires)


def _claims(token: str) -> dict[str, Any]:
    """Return the token's claims, not verified. Raises UnauthenticatedError when it is not a JSON web token."""
    problem = UnauthenticatedError(f"the token is not a service-account token: {MEND}")
    parts = token.split(".")
    if len(token) > TOKEN_BYTES or len(parts) != 3 or not token.isascii():
        raise problem
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError) as error:
        raise problem from error
    if not isinstance(claims, dict):
        raise problem
    return claims


def _expiry(claims: dict[str, Any]) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(claims["exp"]), UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return None


def _only(values: list[str] | None) -> str | None:
    return values[0] if values and len(values) == 1 else None


def _told(error: BaseException) -> str:
    if isinstance(error, client.ApiException):
        mend = " (may the operator's account create tokenreviews?)" if error.status == 403 else ""
        return f"HTTP {error.status} {error.reason}{mend}"
    return f"{type(error).__name__} {error}".strip()
