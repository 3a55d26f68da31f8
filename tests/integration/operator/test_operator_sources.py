"""Where rows come from: the pod has the Secrets and ConfigMaps that the spec names, each source its own."""

from __future__ import annotations

import json

from integration.operator.given import KEYS, QUICK, config_map, probed, secret
from support.team import Team

S3 = {"s3": {"bucket": "rows", "secretRef": {"name": "minio"}}}
ROWS = {"configMap": {"name": "rows.fixed", "key": "validation.jsonl"}}


def test_each_source_has_its_own_secret_and_a_config_map_is_a_folder(team: Team) -> None:
    secret(team, "minio", **KEYS)
    secret(team, "model", HF_TOKEN="of the model")
    config_map(team, "rows.fixed", {"validation.jsonl": "{}\n"})
    team.apply(
        "digits",
        QUICK,
        model={"uri": None, "name": "org/model", "secretRef": {"name": "model"}},
        dataset={"train": S3, "validation": ROWS},
    )
    team.wait("digits", "Succeeded", "True")
    variables = probed(team)["variables"]
    secrets = {name: value for name, value in variables.items() if name.startswith(("VISIONFT_SECRET_", "HF_TOKEN"))}
    assert secrets == {
        "HF_TOKEN": "of the model",
        "VISIONFT_SECRET_TRAIN_AWS_ACCESS_KEY_ID": "me",
        "VISIONFT_SECRET_TRAIN_AWS_SECRET_ACCESS_KEY": "secret",
    }
    assert probed(team)["files"] == {"rows.fixed/validation.jsonl": "{}\n"}
    assert "secret" not in json.dumps(team.get("digits")["status"])


def test_tokens_of_rows_do_not_mix(team: Team) -> None:
    for name in ("one", "two"):
        secret(team, name, HF_TOKEN=f"token {name}")
    hub = {name: {"hub": {"repo": "team/rows", "secretRef": {"name": name}}} for name in ("one", "two")}
    team.apply("digits", QUICK, dataset={"train": hub["one"], "validation": hub["two"]})
    team.wait("digits", "Succeeded", "True")
    variables = probed(team)["variables"]
    assert variables["VISIONFT_SECRET_TRAIN_HF_TOKEN"] == "token one"
    assert variables["VISIONFT_SECRET_VALIDATION_HF_TOKEN"] == "token two"
    assert "HF_TOKEN" not in variables


def test_a_secret_that_is_missing_is_named_and_waited_for(team: Team) -> None:
    team.apply("digits", QUICK, dataset={"train": S3})
    said = team.wait("digits", "Queued", "True", "ContainerCreateFailed")
    assert 'secret "minio" not found' in said["message"]
    assert "spec.dataset.train.s3.secretRef names Secret minio" in said["message"]
    assert "with the keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in said["message"]
    secret(team, "minio", **KEYS)
    team.wait("digits", "Succeeded", "True")


def test_a_config_map_that_is_missing_is_named_and_waited_for(team: Team) -> None:
    team.apply("digits", QUICK, dataset={"validation": ROWS})
    said = team.wait("digits", "Queued", "True", "ContainerCreateFailed")
    assert 'configmap "rows.fixed" not found' in said["message"]
    assert "its ConfigMaps exist" in said["message"]
    config_map(team, "rows.fixed", {"validation.jsonl": "{}\n"})
    team.wait("digits", "Succeeded", "True")
