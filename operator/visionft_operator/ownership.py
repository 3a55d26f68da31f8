"""Owner references: what makes garbage collection remove a run's children, with or without the operator."""

from __future__ import annotations

from typing import Any

from visionft_api.resource import VisionFineTune


def owner_reference(resource: VisionFineTune) -> dict[str, Any]:
    """Return the reference to the resource for a child's metadata."""
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "name": resource.metadata.name,
        "uid": resource.metadata.uid,
        "controller": True,
        # True would need the right to set finalizers on the resource, and a deletion must never wait for a child.
        "blockOwnerDeletion": False,
    }
