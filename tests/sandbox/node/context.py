"""What every pod worker shares: the node's name, client, images, clocks and folders."""

import shutil
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.node.api import Api
from sandbox.node.events import EventRecorder
from sandbox.node.images import ImageStore


@dataclass(frozen=True)
class Timing:
    """Seconds; a kubelet's own values but for the sync period, which is 60 there."""

    sync_period: float = 10
    mount_retry_first: float = 0.5
    mount_retry_cap: float = 30
    config_retry: float = 2
    image_backoff_first: float = 10
    image_backoff_cap: float = 300
    crash_backoff_first: float = 10
    crash_backoff_cap: float = 300


@dataclass
class NodeContext:
    name: str
    instance: str
    data: Path
    api: Api
    images: ImageStore
    events: EventRecorder
    allocatable: dict[str, str]
    timing: Timing = field(default_factory=Timing)
    clock: Callable[[], float] = time.time
    """Unix seconds."""

    def pod_dir(self, uid: str) -> Path:
        return self.data / "pods" / uid

    def short_tmp(self, uid: str, container: str) -> Path:
        """A folder name short enough for sockets below it (107 characters in all)."""
        return self.data / "t" / f"{uid[:8]}{zlib.crc32(container.encode()):08x}"

    def forget_pod(self, uid: str) -> None:
        """Delete all that is kept of a pod. Links into claims and host folders are not followed."""
        shutil.rmtree(self.pod_dir(uid), ignore_errors=True)
        for link in (self.data / "t").glob(f"{uid[:8]}*"):
            link.unlink(missing_ok=True)
