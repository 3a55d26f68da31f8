"""The real API server and the models agree: what is refused and how, what is taken, which defaults are filled in."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from integration.api.client import ApiServer, resources
from manifests.cases import FOLDER, InvalidManifest, invalid_manifests, valid_manifests
from manifests.unsupported import CHANGES, manifest_asking_for
from sandbox.cluster import Cluster
from visionft_api.conditions import Condition, ConditionType, Reason
from visionft_api.manifest_yaml import dump_yaml
from visionft_api.metrics import METRICS
from visionft_api.parse import parse_manifest, parse_resource
from visionft_api.status import (
    Artifact,
    DataSummary,
    DataWarning,
    EffectiveRank,
    Estimate,
    Evaluation,
    EvaluationSummary,
    EvaluationWarning,
    GeneralEvaluation,
    HistoryEntry,
    Intervals,
    JobRef,
    LastFailure,
    MetricInterval,
    Phase,
    Progress,
    PromptMetrics,
    Reliance,
    Resolved,
    SplitSummary,
    Stage,
    VisionEvaluation,
    VisionFineTuneStatus,
    WithoutPictures,
)

NO_FIELD = "<nil>"
"""Field of what is said beside a mistake in the form: that rules had to wait."""
MINIMAL = (FOLDER / "valid" / "minimal.yaml").read_text(encoding="utf-8")
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize("manifest", invalid_manifests(), ids=lambda manifest: manifest.name)
def test_a_wrong_manifest_is_refused_with_the_same_words(api_server: ApiServer, manifest: InvalidManifest) -> None:
    answer = api_server.create(manifest.text)
    if manifest.says.startswith("unknown field"):
        assert answer.code == 400
        assert manifest.says in answer.body["message"]
        return
    assert answer.code == 422, answer.body
    causes = [cause for cause in answer.causes if cause["field"] != NO_FIELD]
    assert {_dotted(cause["field"]) for cause in causes} == {manifest.field}
    assert any(manifest.says in cause["message"] for cause in causes)


@pytest.mark.parametrize("field", sorted(CHANGES))
def test_what_a_later_version_will_honour_is_taken(api_server: ApiServer, field: str) -> None:
    answer = api_server.create(dump_yaml(manifest_asking_for(field)))
    assert answer.code == 201, answer.body["message"]


@pytest.mark.parametrize("path", valid_manifests(), ids=lambda path: path.stem)
def test_a_right_manifest_gets_the_defaults_that_the_models_have(api_server: ApiServer, path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    answer = api_server.create(text)
    assert answer.code == 201, answer.body["message"]
    assert answer.body["spec"] == parse_manifest(text).spec.to_json()
    assert parse_resource(answer.body).spec == parse_manifest(text).spec


def test_the_largest_manifest_is_within_the_budget_of_the_rules(api_server: ApiServer) -> None:
    """The API server stops evaluating CEL that has cost too much: rules must hold out to the bounds."""
    keys = {f"{i:03}{'x' * 250}/{'y' * 63}": "z" * 63 for i in range(32)}
    manifest = parse_manifest(MINIMAL).to_json()
    manifest["spec"]["podTemplate"] = {
        "labels": keys,
        "annotations": dict.fromkeys(keys, "z" * 4096),
        "nodeSelector": keys,
        "env": [{"name": f"N{i:02}{'x' * 125}", "value": "z" * 4096} for i in range(64)],
        "tolerations": [{"key": "k" * 317, "value": "v" * 63, "effect": "NoExecute", "tolerationSeconds": 1}] * 32,
    }
    manifest["spec"]["dataset"]["train"]["pvc"]["path"] = "a/" * 256
    manifest["spec"]["dataset"]["validation"] = {"pvc": {"claimName": "c", "path": "ab" * 256}}
    manifest["spec"]["model"]["uri"] = f"pvc://{'a.' * 126}a/{'b/' * 120}b"
    manifest["spec"]["model"]["revision"] = f"sha256:{'0' * 64}"
    manifest["spec"]["dataset"] |= {
        "format": "columns",
        "columns": dict.fromkeys(("image", "prompt", "answer"), "x" * 128),
        "systemPrompt": "x" * 4096,
        "promptTemplates": [f"{i:02}{'x' * 4094}" for i in range(32)],
        "augmentation": {"blur": True, "strength": "0.000000001", "maxShift": "0.999999999"},
    }
    manifest["spec"]["adapter"] = {
        "layers": {part: ["attention", "mlp"] for part in ("vision", "projector", "language")},
        "modulesToSave": [f"m{i:02}.{'x' * 124}" for i in range(16)],
    }
    manifest["spec"]["evaluation"] = {
        "metrics": [name for name in METRICS if name != "groundedAccuracy"],
        "gates": [f"relaxedAccuracy{' ' * i} >= 0.00000000{i}e-10" for i in range(7)] + ["cer < baseline"],
        "prompts": [f"{i}{'x' * 4095}" for i in range(8)],
        "fewShot": 8,
        "general": {
            "pvc": {"claimName": "c", "path": "ab" * 256},
            "format": "grounding",
            "columns": dict.fromkeys(("image", "prompt", "boxes"), "x" * 128),
            "metrics": list(METRICS),
        },
    }
    manifest["spec"]["output"] |= {
        "s3": {"bucket": "b" * 63, "prefix": "x" * 512},
        "oci": {"repository": "r" * 255},
        "hub": {"repo": f"o/{'n' * 198}", "secretRef": {"name": "s" * 253}},
        "merged": True,
        "mergeBase": "Original",
        "maxShardSize": "999999999999.999Ti",
    }
    manifest["spec"]["tracking"] = {
        "mlflow": {"trackingUri": f"https://{'a' * 504}", "experiment": "x" * 256},
        "wandb": {"project": "p" * 128, "mode": "Online", "secretRef": {"name": "s" * 253}},
    }
    text = dump_yaml(manifest)
    answer = api_server.create(text)
    assert answer.code == 201, answer.body["message"]
    assert parse_manifest(text).spec.to_json() == answer.body["spec"]


def test_a_status_with_every_field_is_kept_as_it_was_written(api_server: ApiServer, namespace: str) -> None:
    figures = {"cer": "0.7103"}
    interval = {"cer": MetricInterval(low="-0.7001", high="-0.6402")}
    summary = EvaluationSummary(
        baseline=figures,
        tuned={"cer": "0.0421"},
        delta={"cer": "-0.6682"},
        verdict="Passed",
        samples=240,
        conclusion="Better",
        summary="Tuning lowers cer from 0.71 to 0.04.",
        display="cer 0.71 -> 0.04",
    )
    without = WithoutPictures(shuffled=figures, blank=figures)
    evaluation = Evaluation(
        **dict(summary),
        intervals=Intervals(baseline=interval, tuned=interval, delta=interval),
        prompts=[PromptMetrics(name="prompt 1", metrics=figures)],
        vision=VisionEvaluation(
            baseline=without,
            tuned=without,
            reliance=Reliance(baseline=figures, tuned=figures),
            rank=EffectiveRank(baseline="41.5", tuned="40.2"),
        ),
        general=GeneralEvaluation(baseline=figures, tuned=figures),
        warnings=[EvaluationWarning(reason="VisionRelianceShrank", message="It looks less.")],
    )
    artifact = Artifact(kind="adapter", uri="pvc://results/minimal/run-1", digest=f"sha256:{'a' * 64}", size=2**40)
    status = VisionFineTuneStatus(
        observed_generation=1,
        phase=Phase.RUNNING,
        run=2,
        start_time=NOON,
        completion_time=NOON,
        job_ref=JobRef(name="minimal-run-2", uid="8f0c"),
        conditions=[
            Condition(
                type=ConditionType.RUNNING.value,
                status="True",
                reason=Reason.TRAINING.value,
                message="Training.",
                last_transition_time=NOON,
                observed_generation=1,
            )
        ],
        progress=Progress(
            percent=42,
            stage=Stage.TRAIN,
            step=420,
            total_steps=1000,
            epoch="1.26",
            eta_seconds=754,
            loss="0.4312",
            learning_rate="2.0000e-05",
            samples_per_second="31.5",
            gpu_memory="11.2Gi",
            last_updated=NOON,
            display="42%",
            eta="13m",
        ),
        evaluation=evaluation,
        artifacts=[artifact],
        resolved=Resolved(model_revision="895c3a4", dataset_digest="sha256:0", image_digest="sha256:1", spec_hash="ab"),
        data=DataSummary(
            digest=f"sha256:{'b' * 64}",
            train=SplitSummary(
                rows=900, dropped={"TooLong": 3}, duplicates=2, near_duplicates=1, images=905, max_tokens=512
            ),
            validation=SplitSummary(rows=90),
            warnings=[DataWarning(reason="NearDuplicates", message="One picture looks like another.")],
        ),
        estimate=Estimate(gpu_memory="12Gi", gpu_hours="1.5"),
        last_failure=LastFailure(
            run=1, exit_code=143, reason="Killed", message="Evicted.", time=NOON, pod_name="minimal-run-1-x"
        ),
        history=[HistoryEntry(run=1, outcome="Failed", evaluation=summary, artifacts=[artifact], start_time=NOON)],
    )
    created = api_server.create(MINIMAL, namespace, dry_run=False).body
    written = _write_status(api_server, namespace, created["metadata"]["name"], status)
    assert written == status.to_json()
    assert parse_resource({**created, "status": written}).status == status


def test_the_columns_tell_the_story(api_server: ApiServer, cluster: Cluster, namespace: str) -> None:
    api_server.create(MINIMAL, namespace, dry_run=False)
    progress = Progress(percent=42, display="42%", loss="0.4312", eta="13m")
    evaluation = Evaluation(verdict="NoGates", conclusion="Better", display="cer 0.71 -> 0.05")
    status = VisionFineTuneStatus(phase=Phase.RUNNING, run=3, progress=progress, evaluation=evaluation)
    _write_status(api_server, namespace, "minimal", status)
    narrow = cluster.kubectl("get", "vft", "-n", namespace, check=True).stdout.splitlines()
    assert narrow[0].split() == ["NAME", "PHASE", "PROGRESS", "LOSS", "VERDICT", "DRIFT", "AGE"]
    assert narrow[1].split()[:5] == ["minimal", "Running", "42%", "0.4312", "NoGates"]
    wide = cluster.kubectl("get", "ai", "-n", namespace, "-o", "wide", check=True).stdout.splitlines()
    assert wide[0].split()[-6:] == ["MODEL", "QUEUE", "CONCLUSION", "METRIC", "ETA", "RUN"]
    assert wide[1].split()[-7:] == ["Better", "cer", "0.71", "->", "0.05", "13m", "3"]


def test_a_model_of_the_hub_is_shown_by_its_name(api_server: ApiServer, cluster: Cluster, namespace: str) -> None:
    manifest = MINIMAL.replace("uri: pvc://models/qwen2-vl-2b", "name: Qwen/Qwen2-VL-2B-Instruct")
    assert api_server.create(manifest, namespace, dry_run=False).code == 201
    wide = cluster.kubectl("get", "vft", "-n", namespace, "-o", "wide", check=True).stdout
    assert "Qwen/Qwen2-VL-2B-Instruct" in wide


def test_explain_knows_every_field_and_its_default(api_server: ApiServer, cluster: Cluster) -> None:
    adapter = cluster.kubectl("explain", "vft.spec.adapter", "--recursive", check=True).stdout
    for line in ("rank\t<integer>", "rsLoRA\t<boolean>", "dropout\t<string>"):
        assert line in adapter
    assert "Default: 16." in cluster.kubectl("explain", "vft.spec.adapter.rank", check=True).stdout
    everything = cluster.kubectl("explain", "vft", "--recursive", check=True).stdout
    assert "<no description>" not in everything


def _dotted(field: str) -> str:
    """The field with keys of maps as the API server writes them most of the time: labels.team for labels[team]."""
    return re.sub(r"\[([^\]0-9][^\]]*)\]", r".\1", field)


def _write_status(api_server: ApiServer, namespace: str, name: str, status: VisionFineTuneStatus) -> dict[str, object]:
    """Write a status as the operator does, by server-side apply. Returns what the API server kept."""
    body = {
        "apiVersion": "visionft.dev/v1alpha1",
        "kind": "VisionFineTune",
        "metadata": {"name": name},
        "status": status.to_json(),
    }
    path = f"{resources(namespace)}/{name}/status?fieldManager=visionft-operator&force=true&fieldValidation=Strict"
    answer = api_server.send("PATCH", path, json.dumps(body), "application/apply-patch+yaml")
    assert answer.code == 200, answer.body
    return answer.body["status"]
