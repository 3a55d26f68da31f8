"""The operator's settings, read once from the environment."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

MAX_RESYNC_SECONDS = 30.0
"""A watch that is behind for `freshness.STALE_SECONDS` makes the operator unhealthy: three rounds have to fit."""


class SettingsError(ValueError):
    """A setting cannot be used. The text names the variable, its value and the mend."""


@dataclass(frozen=True)
class Endpoint:
    """An address to listen on."""

    host: str
    port: int


@dataclass(frozen=True)
class Settings:
    """What an administrator can set. Each field is the environment variable `VISIONFT_<FIELD>`."""

    namespace: str = "visionft-system"
    """Namespace the operator runs in; its certificate Secret lives there."""
    trainer_image: str = "visionft/trainer:0.1.0"
    """Image of the training pod unless podTemplate.image names another."""
    report_bind: Endpoint = Endpoint("0.0.0.0", 8443)  # noqa: S104 - pods of every namespace report here
    report_url: str = "https://visionft-operator.visionft-system.svc:8443"
    """Where the pods reach report_bind, without a path."""
    metrics_bind: Endpoint = Endpoint("0.0.0.0", 8080)  # noqa: S104 - Prometheus and the kubelet's probes
    watch_namespace: str = ""
    """The only namespace to serve; empty: all."""
    status_interval_seconds: float = 10.0
    """Progress alone is written to a status at most this often. Condition changes are written at once."""
    resync_interval_seconds: float = 30.0
    """How often everything is listed: to repair what a watch missed and to tell a deaf one. At most 30."""
    log_level: str = "INFO"

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        """Read the settings. Raises SettingsError."""
        default = cls()
        return cls(
            namespace=env.get("VISIONFT_NAMESPACE", default.namespace),
            trainer_image=env.get("VISIONFT_TRAINER_IMAGE", default.trainer_image),
            report_bind=_endpoint(env, "VISIONFT_REPORT_BIND", default.report_bind),
            report_url=_report_url(env, "VISIONFT_REPORT_URL", default.report_url),
            metrics_bind=_endpoint(env, "VISIONFT_METRICS_BIND", default.metrics_bind),
            watch_namespace=env.get("VISIONFT_WATCH_NAMESPACE", default.watch_namespace),
            status_interval_seconds=_seconds(env, "VISIONFT_STATUS_INTERVAL_SECONDS", default.status_interval_seconds),
            resync_interval_seconds=_seconds(
                env, "VISIONFT_RESYNC_INTERVAL_SECONDS", default.resync_interval_seconds, MAX_RESYNC_SECONDS
            ),
            log_level=_log_level(env, "VISIONFT_LOG_LEVEL", default.log_level),
        )


def _endpoint(env: Mapping[str, str], name: str, default: Endpoint) -> Endpoint:
    text = env.get(name)
    if text is None:
        return default
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise SettingsError(f'{name} is "{text}"; give HOST:PORT, for example "0.0.0.0:8443"')
    return Endpoint(host.strip("[]") or default.host, int(port))


def _report_url(env: Mapping[str, str], name: str, default: str) -> str:
    text = env.get(name, default).rstrip("/")
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.hostname or parts.path:
        raise SettingsError(f'{name} is "{text}"; give https://HOST:PORT without a path, as the training pods reach it')
    return text


def _seconds(env: Mapping[str, str], name: str, default: float, at_most: float | None = None) -> float:
    text = env.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise SettingsError(f'{name} is "{text}"; give a number of seconds above 0, for example "10"')
    if at_most is not None and value > at_most:
        raise SettingsError(f'{name} is "{text}"; give at most {at_most:g} seconds, or liveness could not be told')
    return value


def _log_level(env: Mapping[str, str], name: str, default: str) -> str:
    text = env.get(name, default).upper()
    if text not in logging.getLevelNamesMapping():
        raise SettingsError(f'{name} is "{text}"; give DEBUG, INFO, WARNING or ERROR')
    return text
