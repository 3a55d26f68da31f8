"""The images that "exist" on this node, and a kubelet's words for those that do not."""

import hashlib
import re
from dataclasses import dataclass

_REFERENCE = re.compile(r"^[a-z0-9]([a-z0-9._:/-]*[a-z0-9])?(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?$")


@dataclass(frozen=True)
class Image:
    """An image is a name: its programs are the host's.

    `argv_prefix` goes before every command of the image's containers, `path_prefix` before the
    node's own folders on their PATH.
    """

    name: str
    argv_prefix: tuple[str, ...] = ()
    path_prefix: tuple[str, ...] = ()

    @property
    def image_id(self) -> str:
        """A digest reference as a registry would give it; the digest is of the name."""
        name, _, digest = self.name.partition("@")
        tagless = name.rsplit(":", 1)[0] if ":" in name.rsplit("/", 1)[-1] else name
        return f"{tagless}@{digest or 'sha256:' + hashlib.sha256(name.encode()).hexdigest()}"


def is_valid_reference(name: str) -> bool:
    """Whether the name can be an image reference at all (else InvalidImageName)."""
    return _REFERENCE.match(name) is not None


def canonical(name: str) -> str:
    """The name with its default tag."""
    if "@" in name or ":" in name.rsplit("/", 1)[-1]:
        return name
    return f"{name}:latest"


class ImageStore:
    """Which images can be pulled."""

    def __init__(self, images: list[Image]) -> None:
        self._images = {canonical(image.name): image for image in images}

    def add(self, image: Image) -> None:
        self._images[canonical(image.name)] = image

    def remove(self, name: str) -> None:
        self._images.pop(canonical(name), None)

    def find(self, name: str) -> Image | None:
        return self._images.get(canonical(name))


def pull_error(name: str) -> str:
    """The message of a pull of an image that no registry has."""
    return (
        f'rpc error: code = NotFound desc = failed to pull and unpack image "{name}": '
        f'failed to resolve reference "{name}": {name}: not found'
    )
