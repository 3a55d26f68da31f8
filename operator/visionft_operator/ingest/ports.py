"""What the report server needs from outside, and the plain data that crosses that edge.

The operator implements `Directory` from its indexes; `token_review.TokenReviewAuthenticator` implements
`Authenticator` against the API server. Tests put small fakes in both places.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

Clock = Callable[[], datetime]
"""Returns the present time, timezone-aware, in UTC."""


class ResourceKey(NamedTuple):
    """Where a VisionFineTune lives; what `on_report` is called with."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class CurrentRun:
    """The run of a resource that may report now.

    `uid` is the resource's uid, `run` its run number, `job_uid` the uid of that run's Job, None while there is no Job.
    """

    uid: str
    run: int
    job_uid: str | None


class Directory(Protocol):
    """What the operator knows of the cluster. Both methods answer from memory and never raise."""

    def current_run(self, namespace: str, name: str) -> CurrentRun | None:
        """Return the resource's current run, None when there is no such resource or it has no run yet."""

    def pod_job_uid(self, namespace: str, pod_name: str, pod_uid: str) -> str | None:
        """Return the uid of the Job that controls this pod.

        None when no pod of that name *and* uid is known, or when no Job controls it.
        """


@dataclass(frozen=True)
class Identity:
    """Whom a token speaks for, and until when (None: unknown).

    `pod_name` and `pod_uid` are None when the token is not bound to a pod.
    """

    username: str
    namespace: str
    pod_name: str | None
    pod_uid: str | None
    expires: datetime | None = None


class UnauthenticatedError(Exception):
    """The token is not one that may be used here. The text is for the client: what is wrong and the mend."""


class AuthenticationUnavailableError(Exception):
    """Nobody could be asked whether the token is good; the client should try again."""


class Authenticator(Protocol):
    """Turns a bearer token into an identity."""

    async def authenticate(self, token: str) -> Identity:
        """Return whom the token speaks for.

        Raises UnauthenticatedError when the token is refused, AuthenticationUnavailableError when it could not be
        checked.
        """


OnReport = Callable[[ResourceKey], None]
"""Called after a report was accepted and changed the store: wake the resource's reconcile. Must not block."""
