"""The operator's account may do what it does in every other test of this folder, and no more."""

from __future__ import annotations

import subprocess

import pytest
from sandbox.cluster import Cluster
from support.operator import ACCOUNT, NAMESPACE, OperatorProcess
from support.team import Team

ALLOWED = [
    ("list", "visionfinetunes.visionft.dev", "default"),
    ("patch", "visionfinetunes.visionft.dev/status", "default"),
    ("create", "jobs.batch", "default"),
    ("get", "secrets/visionft-report-tls", NAMESPACE),
]

DENIED = [
    ("list", "secrets", "default"),
    ("list", "secrets", NAMESPACE),
    ("watch", "secrets", NAMESPACE),
    ("get", "secrets/another", NAMESPACE),
    ("get", "secrets/visionft-report-tls", "default"),
    ("create", "secrets", "default"),
    ("delete", "secrets/visionft-report-tls", NAMESPACE),
    ("get", "configmaps", "default"),
    ("delete", "configmaps", "default"),
    ("create", "pods", "default"),
    ("create", "pods/exec", "default"),
    ("get", "pods/log", "default"),
    ("delete", "pods", "default"),
    ("patch", "visionfinetunes.visionft.dev", "default"),
    ("update", "visionfinetunes.visionft.dev", "default"),
    ("delete", "visionfinetunes.visionft.dev", "default"),
    ("create", "visionfinetunes.visionft.dev", "default"),
    ("update", "jobs.batch", "default"),
    ("list", "nodes", ""),
    ("delete", "persistentvolumeclaims", "default"),
    ("list", "persistentvolumeclaims", "default"),
    ("create", "serviceaccounts/token", "default"),
    ("create", "rolebindings.rbac.authorization.k8s.io", "default"),
    ("impersonate", "users", ""),
    ("*", "*", ""),
]


def can_i(cluster: Cluster, verb: str, what: str, namespace: str) -> str:
    """What the API server answers the operator's account."""
    resource, _, rest = what.partition("/")
    known = {"exec", "log", "status", "token"}
    arguments = [verb, resource, f"--subresource={rest}"] if rest in known else [verb, what]
    if namespace:
        arguments += ["-n", namespace]
    command = [str(cluster.kubectl_path), "auth", "can-i", *arguments]
    account = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
    done = subprocess.run(
        [*command, "--as", account, "--kubeconfig", str(cluster.kubeconfig)], capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize(("verb", "what", "namespace"), ALLOWED)
def test_it_may(operator_cluster: Cluster, operator: OperatorProcess, verb: str, what: str, namespace: str) -> None:
    assert can_i(operator_cluster, verb, what, namespace) == "yes"


@pytest.mark.parametrize(("verb", "what", "namespace"), DENIED)
def test_it_may_not(operator_cluster: Cluster, operator: OperatorProcess, verb: str, what: str, namespace: str) -> None:
    assert can_i(operator_cluster, verb, what, namespace) == "no"


def test_its_logs_are_json_with_the_resource_and_its_health_is_told(team: Team, operator: OperatorProcess) -> None:
    team.apply("digits", {"reports": "1", "pause": "0.05"})
    team.wait("digits", "Succeeded", "True")
    lines = operator.log_lines()
    about = [line for line in lines if line.get("resource") == f"{team.namespace}/digits"]
    assert any("Job digits-run-1 created" in line["message"] for line in about)
    assert not [line for line in lines if "Traceback" in line.get("exception", "") and line["level"] == "error"]
    code, body = operator.probe("healthz")
    assert code == 200
    assert "watch/jobs" in body
    code, body = operator.probe("metrics")
    assert code == 200
    assert 'visionft_resources{phase="Succeeded"}' in body
    assert 'visionft_runs_finished_total{outcome="Succeeded",reason="GatesPassed"}' in body
