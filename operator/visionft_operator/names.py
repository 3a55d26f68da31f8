"""The names that tie a VisionFineTune to its children: one place, used by builders, watches and tests."""

from __future__ import annotations

import re

FIELD_MANAGER = "visionft-operator"

LABEL_NAME = "visionft.dev/name"
LABEL_RUN = "visionft.dev/run"
LABEL_PART = "visionft.dev/part"
CHECK = "check"
"""Value of LABEL_PART on the Job that checks the data of a run, and on its pods."""

LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGED_BY = "visionft"
ANNOTATION_SPEC_HASH = "visionft.dev/spec-hash"

CONTAINER = "trainer"

MANAGED_SELECTOR = f"{LABEL_MANAGED_BY}={MANAGED_BY}"
"""Label selector of every child that the operator watches."""

_CHILD = re.compile(r"^(?P<name>.+)-(run|check)-(?P<run>[0-9]+)(-[a-z0-9]+)?$")


def child_name(name: str, run: int) -> str:
    """Name of run `run`'s Job and ConfigMap."""
    return f"{name}-run-{run}"


def check_name(name: str, run: int) -> str:
    """Name of the Job that checks the data of run `run`."""
    return f"{name}-check-{run}"


def child_labels(name: str, run: int) -> dict[str, str]:
    """Labels of everything that belongs to a run."""
    return {LABEL_NAME: name, LABEL_RUN: str(run), LABEL_MANAGED_BY: MANAGED_BY}


def resource_of_child(child: str) -> str | None:
    """Name of the resource that a Job, ConfigMap or pod of this name belongs to; None when it has no such form."""
    match = _CHILD.match(child)
    return match["name"] if match else None
