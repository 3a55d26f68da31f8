"""Everything the operator reacts to. Registration only: each handler is one call into `handlers` or `startup`.

`on.event` and nothing else of kopf's: no change handlers, timers or daemons, which would add a finalizer and
annotations to objects. Deleting a resource works with the operator down.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

import kopf

from visionft_operator import handlers, logs
from visionft_operator.kube import JOBS, PODS, VISION_FINE_TUNES
from visionft_operator.settings import Settings, SettingsError
from visionft_operator.startup import Operator, configure_kopf, kopf_login

registry = kopf.OperatorRegistry()


@kopf.on.login(registry=registry)
def login(**kwargs: Any) -> Any:
    """Give kopf the credentials that the operator itself uses."""
    return kopf_login(**kwargs)


@kopf.on.startup(registry=registry, errors=kopf.ErrorsMode.PERMANENT)
async def start(settings: kopf.OperatorSettings, memo: Operator, **_: Any) -> None:
    """Build what the handlers share, before the first watch starts."""
    configure_kopf(settings)
    await memo.start()


@kopf.on.cleanup(registry=registry)
async def stop(memo: Operator, **_: Any) -> None:
    """Close what `start` opened, in reverse."""
    await memo.stop()


@kopf.on.event("visionft.dev", "v1alpha1", "visionfinetunes", registry=registry)
async def resource_event(event: kopf.RawEvent, memo: Operator, **_: Any) -> None:
    """A VisionFineTune was created, changed or deleted."""
    handlers.on_event(memo, VISION_FINE_TUNES, event)


@kopf.on.event("batch", "v1", "jobs", registry=registry)
async def job_event(event: kopf.RawEvent, memo: Operator, **_: Any) -> None:
    """A run's Job was created, changed or deleted."""
    handlers.on_event(memo, JOBS, event)


@kopf.on.event("", "v1", "pods", registry=registry)
async def pod_event(event: kopf.RawEvent, memo: Operator, **_: Any) -> None:
    """A run's pod was created, changed or deleted."""
    handlers.on_event(memo, PODS, event)


def main() -> None:
    """Run the operator until SIGTERM. Exits with 1 when it cannot go on: whoever started it should start it again."""
    try:
        settings = Settings.from_env(os.environ)
    except SettingsError as error:
        sys.exit(f"visionft-operator: {error}")
    logs.configure(settings.log_level)
    logger = logging.getLogger(__name__)
    logger.info("visionft operator starts", extra={"fields": {"settings": settings}})
    try:
        kopf.run(
            registry=registry,
            memo=Operator(settings),
            # Two operators would only do the same thing twice; the Deployment sees to one. Peering is not needed.
            standalone=True,
            clusterwide=not settings.watch_namespace,
            namespaces=[settings.watch_namespace] if settings.watch_namespace else [],
        )
    except Exception:
        logger.critical("the operator ends", exc_info=True)
        sys.exit(1)
