"""The manifests of deploy/ keep their promises: least rights, one replica, nothing privileged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kopf
import pytest
import yaml
from visionft_operator import main
from visionft_operator.startup import configure_kopf

DEPLOY = Path(__file__).parents[3] / "operator" / "deploy"


def documents(*kinds: str) -> list[dict[str, Any]]:
    """All manifests of these kinds."""
    found = [doc for path in sorted(DEPLOY.glob("*.yaml")) for doc in yaml.safe_load_all(path.read_text())]
    return [doc for doc in found if doc["kind"] in kinds]


RULES = [(doc["metadata"]["name"], rule) for doc in documents("Role", "ClusterRole") for rule in doc["rules"]]


@pytest.mark.parametrize(("role", "rule"), RULES)
def test_no_right_has_a_wildcard(role: str, rule: dict[str, list[str]]) -> None:
    assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]


@pytest.mark.parametrize(("role", "rule"), RULES)
def test_secrets_are_never_listed_and_read_only_by_name(role: str, rule: dict[str, list[str]]) -> None:
    if "secrets" in rule["resources"]:
        assert not {"list", "watch", "delete", "deletecollection"} & set(rule["verbs"])
        assert rule["verbs"] == ["create"] or rule["resourceNames"] == ["visionft-report-tls"]


def test_the_operator_runs_once_and_unprivileged() -> None:
    (deployment,) = documents("Deployment")
    assert (deployment["spec"]["replicas"], deployment["spec"]["strategy"]["type"]) == (1, "Recreate")
    pod = deployment["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True


def test_kopf_only_watches() -> None:
    """Any other kind of handler would add a finalizer or annotations."""
    registry = main.registry
    assert len(list(registry._watching.get_all_handlers())) == 3
    for part in (registry._changing, registry._spawning, registry._webhooks, registry._indexing):
        assert list(part.get_all_handlers()) == []


def test_watches_cannot_hang_for_ever_and_kopf_posts_nothing() -> None:
    settings = kopf.OperatorSettings()
    configure_kopf(settings)
    assert settings.watching.server_timeout
    assert settings.watching.client_timeout
    assert settings.watching.client_timeout > settings.watching.server_timeout
    assert settings.watching.connect_timeout
    assert settings.posting.enabled is False
    assert settings.scanning.disabled is True
