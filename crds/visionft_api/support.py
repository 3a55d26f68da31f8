"""What the API can say but nothing honours yet. It is refused with `Accepted=False, NotSupported`, never ignored."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from visionft_api.base import ApiModel
from visionft_api.problems import Problem
from visionft_api.spec import VisionFineTuneSpec


@dataclass(frozen=True)
class Unsupported:
    """One field that nothing honours yet.

    `value` gives what was asked for, or None where the field does not ask for anything unusual.
    """

    field: str
    value: Callable[[VisionFineTuneSpec], Any]
    mend: str


NOT_SUPPORTED: tuple[Unsupported, ...] = (
    Unsupported(
        "spec.model.uri",
        lambda s: s.model.uri if s.model.uri is not None and s.model.pvc is None else None,
        "copy the model to a claim and use pvc://CLAIM/PATH",
    ),
    Unsupported("spec.drift", lambda s: s.drift, "remove it"),
    Unsupported("spec.resources.nodes", lambda s: s.resources.nodes if s.resources.nodes > 1 else None, "set it to 1"),
    Unsupported("spec.queue", lambda s: s.queue, "remove it"),
    Unsupported("spec.profileRef", lambda s: s.profile_ref, "remove it and write the settings here"),
)


def unsupported(spec: VisionFineTuneSpec) -> list[Problem]:
    """The fields of a valid spec that nothing honours yet, each with what to do instead."""
    problems = []
    for entry in NOT_SUPPORTED:
        value = entry.value(spec)
        if value is None:
            continue
        shown = value.to_json() if isinstance(value, ApiModel) else value
        problems.append(Problem(entry.field, shown, f"not supported by this version yet; {entry.mend}"))
    return problems
