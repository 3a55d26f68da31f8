"""An artifact in an OCI image layout on disk, as `oras copy --to-oci-layout` or `skopeo copy` leave it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from visionft_trainer.artifacts import sums
from visionft_trainer.artifacts.verify import NotAnArtifactError
from visionft_trainer.storage.plain_files import open_plain

MARKER = "oci-layout"
INDEX = "index.json"
TITLE = "org.opencontainers.image.title"
MAX_JSON_BYTES = 4 * 2**20  # what registries take of a manifest
DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


class LayoutCopy:
    """The files of one manifest: each layer is a file, its title the path."""

    def __init__(self, folder: Path, digest: str, layers: dict[str, tuple[Path, int]]) -> None:
        self._layers = layers
        self.place = f"{folder}@{digest}"

    def names(self) -> Iterator[tuple[str, str | None]]:
        """Each title; what is no plain file, or has another size than the manifest says, is wrong."""
        for name, (blob, size) in self._layers.items():
            if blob.is_symlink() or not blob.is_file():
                yield name, "is not among the layout's blobs"
            elif blob.stat().st_size != size:
                yield name, f"has {blob.stat().st_size:,} bytes, and the manifest says {size:,}"
            else:
                yield name, None

    def size(self, name: str) -> int:
        """Bytes of a file."""
        return self._layers[name][1]

    def open(self, name: str) -> BinaryIO:
        """Open a blob."""
        return open_plain(self._layers[name][0])


def copies(folder: Path) -> list[LayoutCopy]:
    """The artifacts in the layout `folder`. Raises `NotAnArtifactError`."""
    index = _json(folder / INDEX, INDEX)
    found = [_copy(folder, entry) for entry in _list(index, "manifests", INDEX)]
    if not found:
        raise NotAnArtifactError(f"{INDEX} names no manifest")
    return found


def _copy(folder: Path, descriptor: Any) -> LayoutCopy:
    digest, blob, _ = _blob(folder, descriptor, INDEX)
    content = _bytes(blob, digest)
    if hashlib.sha256(content).hexdigest() != digest.removeprefix("sha256:"):
        raise NotAnArtifactError(f"the manifest {digest} was changed")
    layers: dict[str, tuple[Path, int]] = {}
    for layer in _list(_parsed(content, digest), "layers", digest):
        _, place, size = _blob(folder, layer, digest)
        title = (layer.get("annotations") or {}).get(TITLE)
        if not isinstance(title, str) or not sums.is_name(title) or title in layers:
            raise NotAnArtifactError(f"the manifest {digest} has a layer without a title that is a path of its own")
        layers[title] = (place, size)
    return LayoutCopy(folder, digest, layers)


def _blob(folder: Path, descriptor: Any, where: str) -> tuple[str, Path, int]:
    digest = descriptor.get("digest") if isinstance(descriptor, dict) else None
    size = descriptor.get("size") if isinstance(descriptor, dict) else None
    match = DIGEST.fullmatch(digest) if isinstance(digest, str) else None
    if match is None or not isinstance(size, int):
        raise NotAnArtifactError(f"{where} holds a descriptor without a sha256 digest and a size")
    return match[0], folder / "blobs" / "sha256" / match[1], size


def _json(file: Path, what: str) -> Any:
    return _parsed(_bytes(file, what), what)


def _bytes(file: Path, what: str) -> bytes:
    try:
        with open_plain(file) as stream:
            content = stream.read(MAX_JSON_BYTES + 1)
    except FileNotFoundError:
        raise NotAnArtifactError(f"{what} is missing") from None
    if len(content) > MAX_JSON_BYTES:
        raise NotAnArtifactError(f"{what} has more than {MAX_JSON_BYTES:,} bytes")
    return content


def _parsed(content: bytes, what: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise NotAnArtifactError(f"{what} is not JSON") from None


def _list(value: Any, key: str, what: str) -> list[Any]:
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, list):
        raise NotAnArtifactError(f"{what} has no {key}")
    return found
