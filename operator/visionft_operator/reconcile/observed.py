"""All that a decision may depend on, the time included. Built by `gather`, or by hand in a test."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from visionft_api.resource import VisionFineTune
from visionft_api.status import VisionFineTuneStatus

from visionft_operator.build_job import JobSettings
from visionft_operator.ingest.store import LatestReport
from visionft_operator.reconcile.views import JobView, PodView, Warned


@dataclass(frozen=True)
class Meta:
    """Which resource it is, known even when its spec cannot be read."""

    namespace: str
    name: str
    uid: str
    generation: int
    deleting: bool = False


@dataclass(frozen=True)
class Environment:
    """What the administrator and the operator itself contribute."""

    job: JobSettings
    ca_pem: str
    status_interval: timedelta


@dataclass(frozen=True)
class Refusal:
    """The API server did not take a child: HTTP status and its sentence."""

    what: str
    status: int
    message: str


@dataclass(frozen=True)
class Observed:
    """A resource with everything around it, at one moment.

    `resource` is None when the spec cannot be read; `problems` then says why. `missing_claims` and `warnings` are None
    while nobody has asked; a plan that depends on them says so. `config_digest` is the fingerprint of the ConfigMap
    that was applied in the last minute, None when none was. `progress_written` is when this process last wrote the
    status.
    """

    meta: Meta
    resource: VisionFineTune | None
    problems: tuple[str, ...]
    status: VisionFineTuneStatus
    jobs: tuple[JobView, ...]
    pods: tuple[PodView, ...]
    report: LatestReport | None
    environment: Environment
    now: datetime
    missing_claims: tuple[str, ...] | None = None
    warnings: tuple[Warned, ...] | None = None
    refusal: Refusal | None = None
    config_digest: str | None = None
    progress_written: datetime | None = None
