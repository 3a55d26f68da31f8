"""What a test gives a namespace, and what a pod was given from it."""

from __future__ import annotations

import json
from typing import Any

from kubernetes import client
from support.team import Team

QUICK = {"reports": "1", "pause": "0.05", "probe": "1"}
KEYS = {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "secret"}


def secret(team: Team, name: str, **data: str) -> None:
    """Make a Secret."""
    core = client.CoreV1Api(team.cluster.api_client)
    core.create_namespaced_secret(team.namespace, {"metadata": {"name": name}, "stringData": data})


def config_map(team: Team, name: str, data: dict[str, str]) -> None:
    """Make a ConfigMap."""
    core = client.CoreV1Api(team.cluster.api_client)
    core.create_namespaced_config_map(team.namespace, {"metadata": {"name": name}, "data": data})


def probed(team: Team) -> dict[str, Any]:
    """What the pod of `digits` was given."""
    found: dict[str, Any] = json.loads((team.folder("digits") / "probe.json").read_text())
    return found
