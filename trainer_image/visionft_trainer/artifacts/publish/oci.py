"""Artifacts in an OCI registry, in the form that ORAS pushes and pulls: a layer for each file, its title the path.

Blobs come first, then the manifest by its digest, and the tag NAME-run-N-KIND last: what the tag or the digest names is
whole. The same artifact gives the same manifest, so that an upload may be repeated.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from visionft_api.spec import OciOutput
from visionft_api.status import Artifact as Published

from visionft_trainer.artifacts import provenance
from visionft_trainer.artifacts.artifact import Artifact
from visionft_trainer.artifacts.oci_layout import TITLE
from visionft_trainer.artifacts.publish.destination import Tick, in_order
from visionft_trainer.artifacts.publish.registry import PIECE_BYTES, Registry, credentials_of
from visionft_trainer.errors import BadConfigError
from visionft_trainer.servers.patience import WRITING, Patience, Sleep
from visionft_trainer.settings import Settings
from visionft_trainer.storage.folder import RUN_PREFIX, Owner

FIELD = "spec.output.oci"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
ARTIFACT = "application/vnd.visionft.{kind}.v1"
FILE = "application/octet-stream"
EMPTY = b"{}"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
DIGEST = "dev.visionft.digest"  # the artifact's, which the status gives


class OciDestination:
    """The repository of `spec.output.oci`."""

    def __init__(
        self,
        output: OciOutput,
        owner: Owner,
        settings: Settings,
        sleep: Sleep = time.sleep,
        piece_bytes: int = PIECE_BYTES,
        patience: Patience = WRITING,
    ) -> None:
        self._output, self._owner, self._settings = output, owner, settings
        self._patience, self._sleep, self._piece_bytes = patience, sleep, piece_bytes

    def check(self) -> None:
        """Whether the repository may be written. Raises `BadConfigError` or `StorageFailedError`."""
        host, _, name = self._output.repository.partition("/")
        if not name or not (set(host) & set(".:") or host == "localhost"):
            raise BadConfigError(
                f"{FIELD}.repository: {self._output.repository!r} does not name its registry. Write the host before it,"
                f" such as docker.io/{self._output.repository} or ghcr.io/{self._output.repository}."
            )
        with self._registry() as registry:
            registry.check()

    def put(self, artifacts: Sequence[Artifact], tick: Tick) -> list[Published]:
        """Push them one after the other. Raises `StorageFailedError`."""
        total, done, published = sum(artifact.size for artifact in artifacts), 0, []
        with self._registry() as registry:
            for artifact in artifacts:
                layers = []
                for name, digest in in_order(artifact.folder):
                    file = artifact.folder / name
                    size = file.stat().st_size
                    registry.push_blob(file, f"sha256:{digest}", size)
                    layers.append(descriptor(FILE, f"sha256:{digest}", size) | {"annotations": {TITLE: name}})
                    done += size
                    tick(done, total)
                content = manifest(artifact, layers)
                digest = _sha256(content)
                registry.push_bytes(EMPTY, _sha256(EMPTY))
                registry.push_manifest(content, MANIFEST, digest)
                registry.push_manifest(content, MANIFEST, tag(self._owner, artifact.kind))
                uri = f"oci://{self._output.repository}@{digest}"
                published.append(Published(kind=artifact.kind, uri=uri, digest=artifact.digest, size=artifact.size))
        return published

    def _registry(self) -> Registry:
        host = self._output.repository.partition("/")[0]
        config = self._settings.docker_config or (None if self._output.secret_ref else _of_user())
        return Registry(
            self._output.repository,
            credentials_of(config, host, FIELD),
            FIELD,
            self._sleep,
            self._piece_bytes,
            self._patience,
        )


def tag(owner: Owner, kind: str) -> str:
    """Of an artifact; resources that share a repository do not take each other's."""
    return f"{owner.name}-{RUN_PREFIX}{owner.run}-{kind}"


def manifest(artifact: Artifact, layers: list[dict[str, Any]]) -> bytes:
    """The manifest of an artifact: the same for the same files."""
    finished = _finished(artifact.folder / provenance.FILE)
    annotations = {DIGEST: artifact.digest} | ({"org.opencontainers.image.created": finished} if finished else {})
    content = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": ARTIFACT.format(kind=artifact.kind),
        "config": descriptor(EMPTY_TYPE, _sha256(EMPTY), len(EMPTY)) | {"data": "e30="},
        "layers": layers,
        "annotations": annotations,
    }
    return json.dumps(content, indent=2).encode()


def descriptor(media_type: str, digest: str, size: int) -> dict[str, Any]:
    """An OCI content descriptor."""
    return {"mediaType": media_type, "digest": digest, "size": size}


def _finished(file: Path) -> str | None:
    origin = json.loads(file.read_text(encoding="utf-8"))["predicate"]
    moment: str | None = origin.get("runDetails", {}).get("metadata", {}).get("finishedOn")
    return moment


def _of_user() -> Path | None:
    """The credentials that `docker login` or `oras login` has left on a workstation."""
    folder = os.environ.get("DOCKER_CONFIG")
    file = (Path(folder) if folder else Path.home() / ".docker") / "config.json"
    return file if file.is_file() else None


def _sha256(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()
