"""The real trainer, run by the operator: what it measured and left, in the status and at the places that it names."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import objectstore.server
import pytest
import registry.server
from integration.operator.given import secret
from objectstore.server import ObjectStore
from registry.server import PASSWORD, USER, Registry, docker_config
from support.downloads import BUCKET, from_bucket, from_registry, problem
from support.team import Team, condition
from support.tiny_data import write_numbers
from support.tiny_models import tiny_qwen2_vl
from visionft_api.verdict_text import without_gates

TRAINER = "visionft/trainer:0.1.0"
S3_KEYS = {"AWS_ACCESS_KEY_ID": objectstore.server.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": objectstore.server.SECRET_KEY}


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    with objectstore.server.running() as store:
        (store.folder / BUCKET).mkdir()
        yield store


@pytest.fixture(scope="module")
def oci() -> Iterator[Registry]:
    with registry.server.running(registry.server.ACCOUNTS) as server:
        yield server


@pytest.fixture
def team(new_team: Callable[..., Team]) -> Team:
    """A namespace with a tiny model and a few rows, and no claim for results."""
    team = new_team(("data",))
    data = team.cluster.pvc_dir(team.namespace, "data")
    tiny_qwen2_vl(data / "model")
    write_numbers(data, "train.jsonl", 8)
    write_numbers(data, "val.jsonl", 4, first=60)
    return team


def test_results_leave_without_a_claim_and_a_missed_gate_keeps_them(
    team: Team, store: ObjectStore, oci: Registry, tmp_path: Path
) -> None:
    secret(team, "store", **S3_KEYS)
    secret(team, "push", **{".dockerconfigjson": docker_config(tmp_path, oci.host).read_text(encoding="utf-8")})
    s3 = {"endpoint": store.url, "bucket": BUCKET, "prefix": "team", "secretRef": {"name": "store"}}
    repository = {"repository": f"{oci.host}/team/lines", "secretRef": {"name": "push"}}
    team.apply(
        "lines",
        adapter={"rank": 4},
        training={"maxSteps": 2, "batchSize": 4},
        evaluation={"metrics": ["cer", "exactMatch"], "gates": ["exactMatch >= 1"], "maxNewTokens": 4},
        output={"pvc": None, "s3": s3, "oci": repository, "merged": True},
        podTemplate={"image": TRAINER},
    )
    said = team.wait("lines", "Succeeded", "False", "GateNotMet")
    status = team.status("lines")
    assert without_gates(status["evaluation"]["summary"]) in said["message"]
    assert condition(status, "ArtifactReady")["status"] == "True"
    assert (status["phase"], status["evaluation"]["verdict"]) == ("Failed", "Failed")

    measured = status["evaluation"]
    cer, interval = float(measured["tuned"]["cer"]), measured["intervals"]["tuned"]["cer"]
    assert float(interval["low"]) <= cer <= float(interval["high"])
    assert set(measured["vision"]["reliance"]["tuned"]) == {"cer", "exactMatch"}
    check_artifacts(status["artifacts"], store, oci, tmp_path)
    team.patch("lines", {"spec": {"evaluation": {"gates": ["exactMatch >= 0"]}}})
    team.wait("lines", "Succeeded", "True", "GatesPassed")
    now = team.status("lines")
    assert (now["phase"], now["evaluation"]["verdict"], now["artifacts"]) == (
        "Succeeded",
        "Passed",
        status["artifacts"],
    )
    assert len(team.pods("lines")) == 1, "what was measured is judged anew, nothing is trained"


def check_artifacts(artifacts: list[dict[str, Any]], store: ObjectStore, oci: Registry, place: Path) -> None:
    bucket = store.client(BUCKET)
    kinds = ("adapter", "merged", "report")
    repository = f"oci://{oci.host}/team/lines"
    assert sorted((artifact["uri"].partition("@")[0], artifact["kind"]) for artifact in artifacts) == [
        *((repository, kind) for kind in kinds),
        *((f"s3://{BUCKET}/team/run-1/{kind}", kind) for kind in kinds),
    ]
    for artifact in artifacts:
        scheme, _, rest = artifact["uri"].partition("://")
        copy = place / scheme / artifact["kind"]
        if scheme == "s3":
            from_bucket(bucket, rest.removeprefix(f"{BUCKET}/"), copy)
        else:
            from_registry(oci.host, "team/lines", rest.partition("@")[2], copy, f"{USER}:{PASSWORD}")
        assert problem(copy, artifact["digest"]) is None
    verify = [sys.executable, "-m", "visionft_trainer", "verify", str(place / "s3")]
    assert "made by" in subprocess.run(verify, check=True, capture_output=True, text=True).stdout
