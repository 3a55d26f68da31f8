"""What the node remembers of a container and of the end of a pod: plain data."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Waiting:
    """Not running; `reason` says why (ContainerCreating, ErrImagePull, CrashLoopBackOff, …)."""

    reason: str
    message: str = ""


@dataclass(frozen=True)
class Running:
    started_at: datetime


@dataclass(frozen=True)
class Terminated:
    """Ended; `started_at` is None when the process could not be started at all."""

    exit_code: int
    reason: str
    message: str
    started_at: datetime | None
    finished_at: datetime
    container_id: str


State = Waiting | Running | Terminated


@dataclass
class ContainerRecord:
    """One container of a pod, over all its restarts."""

    name: str
    image: str
    state: State
    image_id: str = ""
    container_id: str = ""
    last: Terminated | None = None
    restarts: int = 0

    @property
    def succeeded(self) -> bool:
        return isinstance(self.state, Terminated) and self.state.exit_code == 0


@dataclass(frozen=True)
class Ending:
    """Why a pod's containers are being stopped.

    `failed` forces phase Failed with `reason` and `message` in the pod's status (eviction, deadline); a
    deletion leaves the phase to the exit codes. `condition` joins the status with the final phase only.
    """

    grace_seconds: float
    failed: bool = False
    reason: str = ""
    message: str = ""
    condition: dict[str, Any] | None = None


@dataclass
class PodRecord:
    """Everything that a pod's status is built from, besides the pod itself."""

    init: list[ContainerRecord]
    app: list[ContainerRecord]
    started_at: datetime
    volumes_ready: bool = False
    ending: Ending | None = None
    ended: bool = False
    conditions: list[dict[str, Any]] = field(default_factory=list)

    def container(self, name: str) -> ContainerRecord | None:
        return next((record for record in [*self.init, *self.app] if record.name == name), None)
