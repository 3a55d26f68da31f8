"""A training that really trains, and what happens to it when the world around it fails."""

import json
from pathlib import Path
from typing import Any

from sandbox.cluster import Cluster
from support.operator import OperatorProcess
from support.team import Team, condition, eventually
from visionft_trainer.artifacts.sums import digest_of

NAME = "digits"


def resource(**changes: dict[str, Any]) -> dict[str, Any]:
    """The spec of a short training on the demo's data."""
    spec: dict[str, Any] = {
        "model": {"uri": "pvc://data/model"},
        "dataset": {
            "train": {"pvc": {"claimName": "data", "path": "train.jsonl"}},
            "validation": {"pvc": {"claimName": "data", "path": "validation.jsonl"}},
        },
        "training": {
            "maxSteps": 120,
            "batchSize": 8,
            "learningRate": "2e-3",
            "visionLearningRate": "2e-3",
            "checkpoints": {"every": 10},
        },
        "evaluation": {"metrics": ["cer", "wer", "exactMatch"], "maxNewTokens": 12},
        "output": {"pvc": {"claimName": "out"}, "merged": True},
        "resources": {"gpus": 0},
    }
    for section, change in changes.items():
        spec[section] = {**spec.get(section, {}), **change}
    return {"apiVersion": "visionft.dev/v1alpha1", "kind": "VisionFineTune", "metadata": {"name": NAME}, "spec": spec}


def apply(team: Team, manifest: dict[str, Any]) -> None:
    team.cluster.kubectl("apply", "-n", team.namespace, "-f", "-", stdin=json.dumps(manifest), check=True)


def step(team: Team) -> int:
    found: int = team.status(NAME).get("progress", {}).get("step", 0)
    return found


def until_step(team: Team, wanted: int) -> None:
    def reached(status: dict[str, Any]) -> bool:
        assert condition(status, "Succeeded").get("status") != "False", status
        return bool(status.get("progress", {}).get("step", 0) >= wanted)

    eventually(lambda: team.status(NAME), reached, f"step {wanted}")


def test_training_survives_operator_api_server_and_eviction(
    lab: Team, e2e_cluster: Cluster, e2e_operator: OperatorProcess
) -> None:
    apply(lab, resource())
    until_step(lab, 12)
    (first,) = lab.pods(NAME)

    e2e_operator.kill9()
    e2e_operator.start()
    until_step(lab, 20)
    e2e_cluster.restart_apiserver()
    until_step(lab, step(lab) + 5)
    assert [pod["metadata"]["uid"] for pod in lab.pods(NAME)] == [first["metadata"]["uid"]], "the same pod all along"

    e2e_cluster.node.evict(lab.namespace, first["metadata"]["name"])
    lab.wait(NAME, "Succeeded", "True", "Completed")
    pods = lab.pods(NAME)
    assert len(pods) == 2, "the evicted pod was replaced once"
    (job,) = lab.jobs(NAME)
    assert not [c for c in job["status"]["conditions"] if c["type"] == "Failed" and c["status"] == "True"]
    assert job["spec"]["backoffLimit"] == 3
    assert not job["status"].get("failed"), "an eviction spends no retry"

    said = e2e_cluster.kubectl("logs", pods[-1]["metadata"]["name"], "-n", lab.namespace, check=True).stdout
    assert "training: resumes after step" in said, said
    folder = lab.folder(NAME)
    curve = json.loads((folder / "result.json").read_text(encoding="utf-8"))["curve"]
    assert [point["step"] for point in curve] == list(range(1, 121)), "no step was trained twice in the result"

    status = lab.status(NAME)
    assert set(status["evaluation"]["tuned"]) == {"cer", "wer", "exactMatch"}
    assert float(status["evaluation"]["tuned"]["cer"]) < float(status["evaluation"]["baseline"]["cer"])
    assert {a["kind"] for a in status["artifacts"]} >= {"adapter", "merged"}
    for artifact in status["artifacts"]:
        place = e2e_cluster.pvc_dir(lab.namespace, "out") / artifact["uri"].removeprefix("pvc://out/")
        if place.is_dir():
            assert digest_of(place) == artifact["digest"], artifact


def test_a_bad_row_ends_the_run_at_once(lab: Team, e2e_cluster: Cluster) -> None:
    rows = e2e_cluster.pvc_dir(lab.namespace, "data") / "train.jsonl"
    _break_row(rows, 3)
    apply(lab, resource())
    said = lab.wait(NAME, "Succeeded", "False", "BadDataset")
    assert "train.jsonl" in said["message"], said
    assert "row 3" in said["message"] or "line 3" in said["message"], said
    assert lab.status(NAME)["lastFailure"]["exitCode"] == 11
    assert len(lab.pods(NAME)) == 1, "what would fail again is not tried again"


def _break_row(path: Path, number: int) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    row = json.loads(lines[number - 1])
    row["messages"][0]["content"][0]["image_url"]["url"] = "images/not-there.png"
    lines[number - 1] = json.dumps(row)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
