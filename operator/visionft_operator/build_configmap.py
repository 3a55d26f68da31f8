"""The ConfigMap of a run: what to train, and whom to trust when reporting."""

from __future__ import annotations

from typing import Any

from visionft_api.resource import VisionFineTune
from visionft_api.run_file import RunFile

from visionft_operator.build_volumes import CA_FILE, RUN_FILE
from visionft_operator.names import child_labels, child_name
from visionft_operator.ownership import owner_reference


def build_configmap(resource: VisionFineTune, run: int, ca_pem: str) -> dict[str, Any]:
    """Return the ConfigMap of run `run`, ready for server-side apply. `ca_pem` signs the report server."""
    run_file = RunFile.from_resource(resource, run)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": child_name(resource.metadata.name, run),
            "namespace": resource.metadata.namespace,
            "labels": child_labels(resource.metadata.name, run),
            "ownerReferences": [owner_reference(resource)],
        },
        "data": {
            RUN_FILE: run_file.to_text(),
            CA_FILE: ca_pem,
        },
    }
