"""What a reconcile wants done. Plain data: `execute` does it, tests compare it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class ApplyConfigMap:
    """Create or update a run's ConfigMap. `body` is complete.

    `ours`: the run has its Job, so the ConfigMap was the operator's before, and what somebody edited is put right.
    Otherwise somebody else's ConfigMap of that name is left alone, and the action refused.
    """

    body: dict[str, Any]
    ours: bool = False


@dataclass(frozen=True)
class CreateJob:
    """Create a Job of a run. `body` is complete. A Job of that name that exists already is left as it is.

    `check`: it checks the run's data, and the run's own Job follows.
    """

    body: dict[str, Any]
    check: bool = False


@dataclass(frozen=True)
class PatchJob:
    """Change what Kubernetes lets one change on a live Job; None removes a field."""

    name: str
    spec: dict[str, Any]


@dataclass(frozen=True)
class DeleteJob:
    """Delete the Job of this uid and, in the background, its pods."""

    name: str
    uid: str


Action = ApplyConfigMap | CreateJob | PatchJob | DeleteJob


@dataclass(frozen=True)
class Note:
    """An event on the resource: one transition, told once.

    `once_per` makes the transition unique among those of the same reason and run: a pod's uid, a generation.
    """

    type: Literal["Normal", "Warning"]
    reason: str
    message: str
    run: int = 0
    once_per: str = ""


@dataclass(frozen=True)
class Plan:
    """What follows from what was observed.

    `ask`: the answer depends on claims or warnings that nobody has asked for; ask, and decide again.
    `before`: done first, and then everything is observed anew; such a plan says nothing else.
    `notes` are told before the status is written, so that a crash in between repeats them instead of losing them.
    `after` follows once the status is written: what would lose the truth if it came earlier, such as removing a Job.
    """

    ask: bool = False
    before: tuple[Action, ...] = ()
    notes: tuple[Note, ...] = ()
    status: dict[str, Any] | None = None
    """The whole status to write; None: what is there is right, or new progress has to wait a little."""
    after: tuple[Action, ...] = ()
    again_after: float | None = None
    """Seconds after which to look again, whatever happens meanwhile."""
