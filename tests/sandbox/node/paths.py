"""Absolute paths of a container, mapped below its private root folder.

Without a mount namespace a container sees the host's file system. So each container has a root
folder of its own, its volumes are placed below it, and every argument or variable that names a
path in, at or above a mount is rewritten to the path below that folder.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

DEFAULT_TERMINATION_PATH = "/dev/termination-log"


@dataclass(frozen=True)
class PathMap:
    """Rewrites container paths: `root` is the private folder, `mounts` the absolute paths placed below it."""

    root: Path
    mounts: tuple[PurePosixPath, ...]

    @classmethod
    def of(cls, root: Path, mounts: Iterable[str]) -> "PathMap":
        return cls(root, tuple(PurePosixPath(mount) for mount in mounts))

    def place(self, path: str) -> Path:
        """Where an absolute path of the container lies on the host, whether or not a mount covers it."""
        return self.root / path.lstrip("/")

    def rewrite(self, value: str) -> str:
        """The value, or its place below the root when it is a path in, at or above (but "/") a mount."""
        if not value.startswith("/"):
            return value
        path = PurePosixPath(value)
        # Values built from others by $(NAME) are below the root already, and the root may itself be below /tmp.
        if path == PurePosixPath("/") or path.is_relative_to(self.root) or ".." in path.parts:
            return value
        if any(path.is_relative_to(mount) or mount.is_relative_to(path) for mount in self.mounts):
            placed = str(self.place(value))
            return placed + "/" if value.endswith("/") else placed
        return value

    def rewrite_all(self, values: Sequence[str]) -> list[str]:
        return [self.rewrite(value) for value in values]


def mounted_paths(container: dict[str, Any]) -> list[str]:
    """Every absolute path that the node provides to this container: its mounts and its termination log."""
    mounts = [mount["mountPath"] for mount in container.get("volumeMounts", [])]
    return [*mounts, termination_path(container)]


def termination_path(container: dict[str, Any]) -> str:
    """The container's terminationMessagePath."""
    return str(container.get("terminationMessagePath") or DEFAULT_TERMINATION_PATH)
