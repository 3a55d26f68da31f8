"""Every limit of the report server, with its unit and its reason.

A trainer reports every few seconds with 1 to 4 kB; the limits leave it an order of magnitude of room and keep
one namespace from spending what the others need.
"""

from __future__ import annotations

from dataclasses import dataclass

BODY_BYTES = 64 * 1024
"""Largest body. The trainer's largest report, with every metric, warning and artifact, has under 48 kB."""

BODY_SECONDS = 10.0
"""A body must have arrived within this time, so that a slow sender cannot hold a place for long."""

IDLE_SECONDS = 15.0
"""A connection that has not sent all headers of a request by then is closed. Above a trainer's report interval, so that
its connection lives from one report to the next."""

HANDSHAKE_SECONDS = 10.0
"""A TLS handshake must be done within this time."""

LINGER_SECONDS = 1.0
"""How long a body that was refused is still read, so that the sender sees the answer instead of a reset."""

LINE_BYTES = 2 * 1024
"""Longest request line. The longest valid path has under 300 bytes."""

HEADER_BYTES = 8 * 1024
"""Longest single header. A projected token has about 1.2 kB."""

HEADERS = 32
"""Most headers in a request."""

CONNECTIONS = 1024
"""Most open connections. Each trainer has one at most; with TLS it costs about 0.25 MB (benchmarks/reports)."""

CONCURRENT_REQUESTS = 64
"""Most requests being answered at once."""

REPORTS_PER_SECOND = 2.0
"""Reports a resource may send in the long run."""

REPORT_BURST = 10
"""Reports a resource may send at once, after silence: the stages of a tiny run follow each other quickly."""

TRACKED_RESOURCES = 10_000
"""Resources whose latest report and whose rate are remembered; the longest silent ones are forgotten first."""

TOKEN_BYTES = 4 * 1024
"""Longest token worth asking the API server about."""

ACCEPTED_TOKEN_SECONDS = 60.0
"""How long a good token is believed without asking again. It never outlives the token's own expiry. A deleted pod is
noticed sooner, by the directory."""

REFUSED_TOKEN_SECONDS = 10.0
"""How long a refused token is remembered: a trainer whose clock or token is wrong costs one review in this time."""

CACHED_TOKENS = 10_000
"""Most tokens remembered; an entry has under 1 kB."""

CONCURRENT_REVIEWS = 16
"""Most TokenReviews under way at once, so that a flood of made-up tokens does not become a flood on the API server."""

REVIEW_SECONDS = 5.0
"""A TokenReview must be answered within this time, waiting for a free place included."""

RETRY_AFTER_SECONDS = 5
"""What a client is told to wait when the server cannot answer now."""

LOGGED_REFUSALS_PER_SECOND = 5.0
"""Refusals written to the log in the long run; the rest is counted and told with the next line."""


@dataclass(frozen=True)
class Limits:
    """The limits as one value, so that a test can turn one down without waiting."""

    body_bytes: int = BODY_BYTES
    body_seconds: float = BODY_SECONDS
    idle_seconds: float = IDLE_SECONDS
    handshake_seconds: float = HANDSHAKE_SECONDS
    connections: int = CONNECTIONS
    concurrent_requests: int = CONCURRENT_REQUESTS
    reports_per_second: float = REPORTS_PER_SECOND
    report_burst: int = REPORT_BURST
    tracked_resources: int = TRACKED_RESOURCES
