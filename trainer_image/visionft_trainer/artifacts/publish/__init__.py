"""Brings the artifacts of a run to every destination of `spec.output` beside the claim."""

from __future__ import annotations

from collections.abc import Sequence

from visionft_api.spec import OutputSpec
from visionft_api.status import Artifact as Published

from visionft_trainer.artifacts.artifact import Artifact
from visionft_trainer.artifacts.publish.destination import Destination, Tick
from visionft_trainer.artifacts.publish.hub import HubDestination
from visionft_trainer.artifacts.publish.oci import OciDestination
from visionft_trainer.artifacts.publish.s3 import S3Destination
from visionft_trainer.servers.patience import ASKING, WRITING, Patience
from visionft_trainer.settings import Settings
from visionft_trainer.storage.folder import Owner


def destinations(output: OutputSpec, owner: Owner, settings: Settings, patience: Patience) -> list[Destination]:
    """Those that are set. Raises `BadConfigError` for credentials that cannot be read."""
    found: list[Destination] = []
    if output.s3 is not None:
        found.append(S3Destination(output.s3, owner, settings, patience=patience))
    if output.oci is not None:
        found.append(OciDestination(output.oci, owner, settings, patience=patience))
    if output.hub is not None:
        found.append(HubDestination(output.hub, owner, settings, patience=patience))
    return found


def check(output: OutputSpec, owner: Owner, settings: Settings) -> None:
    """Ask each destination whether it can be written, before a training is paid for. Raises `StorageFailedError`."""
    for destination in destinations(output, owner, settings, ASKING):
        destination.check()


def publish(
    output: OutputSpec, owner: Owner, artifacts: Sequence[Artifact], settings: Settings, tick: Tick
) -> list[Published]:
    """Bring the artifacts everywhere; what is where now. Raises `StorageFailedError`."""
    return [
        published
        for destination in destinations(output, owner, settings, WRITING)
        for published in destination.put(artifacts, tick)
    ]
