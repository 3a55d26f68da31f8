"""Where results go: the pod has what it needs to write there, and a run without a claim has a scratch of its own."""

from __future__ import annotations

import json

from integration.operator.given import KEYS, QUICK, probed, secret
from support.team import Team

OCI = {"repository": "registry.example.com/team/model", "secretRef": {"name": "push"}}
DOCKER_CONFIG = json.dumps({"auths": {"registry.example.com": {"auth": "bWU6c2VjcmV0"}}})


def test_each_destination_and_tracker_has_its_own_secret(team: Team) -> None:
    secret(team, "minio", **KEYS)
    secret(team, "push", **{".dockerconfigjson": DOCKER_CONFIG, "other": "kept out"})
    secret(team, "hub", HF_TOKEN="may write")
    secret(team, "mlflow", MLFLOW_TRACKING_TOKEN="of mlflow")
    secret(team, "wandb", WANDB_API_KEY="of wandb")
    team.apply(
        "digits",
        QUICK,
        output={
            "s3": {"bucket": "results", "secretRef": {"name": "minio"}},
            "oci": OCI,
            "hub": {"repo": "team/model", "secretRef": {"name": "hub"}},
        },
        tracking={
            "mlflow": {"trackingUri": "http://mlflow.tracking.svc:5000", "secretRef": {"name": "mlflow"}},
            "wandb": {"project": "ocr", "secretRef": {"name": "wandb"}},
        },
    )
    team.wait("digits", "Succeeded", "True")
    variables = probed(team)["variables"]
    registry = variables.pop("VISIONFT_SECRET_OUTPUT_OCI_DOCKERCONFIGJSON")
    prefixes = ("VISIONFT_SECRET_", "HF_TOKEN", "MLFLOW_", "WANDB_", "VISIONFT_WORKSPACE")
    assert {name: value for name, value in variables.items() if name.startswith(prefixes)} == {
        "VISIONFT_SECRET_OUTPUT_S3_AWS_ACCESS_KEY_ID": "me",
        "VISIONFT_SECRET_OUTPUT_S3_AWS_SECRET_ACCESS_KEY": "secret",
        "VISIONFT_SECRET_OUTPUT_HUB_HF_TOKEN": "may write",
        "MLFLOW_TRACKING_TOKEN": "of mlflow",
        "WANDB_API_KEY": "of wandb",
    }
    assert registry.endswith("/registry/config.json")
    files = probed(team)["files"]
    assert {name: text for name, text in files.items() if name.startswith("registry/")} == {
        "registry/config.json": DOCKER_CONFIG
    }


def test_mounted_secrets_that_are_missing_are_named_and_waited_for(team: Team) -> None:
    mlflow = {"mlflow": {"trackingUri": "http://mlflow.tracking.svc:5000", "secretRef": {"name": "mlflow"}}}
    team.apply("digits", QUICK, output={"oci": OCI}, tracking=mlflow)
    said = team.wait("digits", "Queued", "True", "ContainerCreateFailed")
    assert "not found" in said["message"]
    assert "spec.output.oci.secretRef names Secret push" in said["message"]
    secret(team, "push", **{".dockerconfigjson": DOCKER_CONFIG})
    secret(team, "mlflow", MLFLOW_TRACKING_USERNAME="me", MLFLOW_TRACKING_PASSWORD="secret")
    team.wait("digits", "Succeeded", "True")
    assert probed(team)["variables"]["MLFLOW_TRACKING_PASSWORD"] == "secret"


def test_a_run_without_a_claim_works_in_its_own_scratch(team: Team) -> None:
    manifest = {"pvc": None, "s3": {"bucket": "results"}}
    team.apply("digits", {"reports": "1", "pause": "0.05"}, output=manifest)
    team.wait("digits", "Succeeded", "True", "GatesPassed")
    (pod,) = team.pods("digits")
    (workspace,) = [volume for volume in pod["spec"]["volumes"] if volume["name"] == "workspace"]
    assert workspace["emptyDir"] == {}
