"""A container's private root folder: its volumes in their places, its termination log, its TMPDIR."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sandbox.node.paths import PathMap, mounted_paths, termination_path


class RootfsError(Exception):
    """A mount cannot be placed: kubelet's CreateContainerConfigError."""


@dataclass(frozen=True)
class Mount:
    """One volumeMount: where it goes, the volume's folder, and the part of it that is mounted."""

    path: str
    volume: Path
    sub_path: str
    copied: bool
    """Whether a subPath is copied once: files of ConfigMap volumes move away when they change."""


@dataclass(frozen=True)
class Rootfs:
    paths: PathMap
    termination_log: Path
    """The termination log itself: a second name of the file that the container sees."""

    def termination_log_replaced(self, container: dict[str, Any]) -> bool:
        """Whether the container put another file in its place, which fails on a real (bind-mounted) log."""
        seen = self.paths.place(termination_path(container))
        return not seen.exists() or not seen.samefile(self.termination_log)


def build_rootfs(root: Path, container: dict[str, Any], mounts: list[Mount], termination_log: Path) -> Rootfs:
    """Lay out a fresh root folder; what an earlier instance of the container wrote outside of volumes is gone.

    Raises:
        RootfsError: a mount cannot be placed.
    """
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    paths = PathMap.of(root, mounted_paths(container))
    for mount in sorted(mounts, key=lambda m: len(PurePosixPath(m.path).parts)):
        _place(paths.place(mount.path), _source(mount), mount.copied and bool(mount.sub_path))
    termination_log.parent.mkdir(parents=True, exist_ok=True)
    termination_log.write_bytes(b"")
    seen = paths.place(termination_path(container))
    seen.parent.mkdir(parents=True, exist_ok=True)
    seen.unlink(missing_ok=True)
    os.link(termination_log, seen)
    return Rootfs(paths, termination_log)


def link_tmp(short: Path, paths: PathMap) -> Path:
    """A short name for the container's /tmp, for TMPDIR."""
    tmp = paths.place("/tmp")
    tmp.mkdir(parents=True, exist_ok=True)
    short.parent.mkdir(parents=True, exist_ok=True)
    short.unlink(missing_ok=True)
    short.symlink_to(tmp)
    return short


def _source(mount: Mount) -> Path:
    if not mount.sub_path:
        return mount.volume
    if PurePosixPath(mount.sub_path).is_absolute() or ".." in PurePosixPath(mount.sub_path).parts:
        raise RootfsError(f"subPath {mount.sub_path!r} must be relative and without '..'")
    source = mount.volume / mount.sub_path
    if not source.exists():
        if mount.copied:
            raise RootfsError(f"subPath {mount.sub_path!r} does not exist in the volume")
        source.mkdir(parents=True)
    return source


def _place(target: Path, source: Path, copy: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_symlink():
        target.unlink()
    elif target.exists():
        try:
            target.rmdir()
        except OSError as error:
            raise RootfsError(f"cannot mount over {target.name!r}: the volume around it has files there") from error
    if not copy:
        target.symlink_to(source)
    elif source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy(source, target)
