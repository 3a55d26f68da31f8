"""What starts another run, and what never does."""

from typing import Any

import pytest
from manifests.cases import FOLDER
from visionft_api.hashing import spec_hash, work_hash
from visionft_api.parse import parse_manifest, parse_resource
from visionft_api.spec import VisionFineTuneSpec

FULL = parse_manifest((FOLDER / "valid" / "full.yaml").read_text(encoding="utf-8"))
MINIMAL = parse_manifest((FOLDER / "valid" / "minimal.yaml").read_text(encoding="utf-8"))


def spec_with(path: str, value: Any) -> VisionFineTuneSpec:
    """The full example with one field changed."""
    manifest = FULL.to_json()
    *parents, last = path.split(".")
    target = manifest["spec"]
    for parent in parents:
        target = target[parent]
    assert target.get(last) != value
    target[last] = value
    return parse_resource(manifest).spec


def hash_with(path: str, value: Any) -> str:
    """Hash of the full example with one field changed."""
    return spec_hash(spec_with(path, value))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("model.name", "Qwen/Qwen2-VL-7B-Instruct"),
        ("model.quantization", "nf4"),
        ("dataset.train.pvc.path", "lines/train-2"),
        ("dataset.validation.pvc.claimName", "other"),
        ("dataset.image.maxPixels", 4000),
        ("adapter.rank", 32),
        ("adapter.mlp", True),
        ("training.seed", 8),
        ("training.batchSize", 5),
        ("dataset.badRows", "Drop"),
        ("dataset.augmentation", {"blur": True}),
        ("adapter.modulesToSave", ["lm_head"]),
        ("training.epochs", "3"),
        ("evaluation.baseline", True),
        ("evaluation.metrics", ["cer", "wer", "exactMatch", "anls"]),
        ("evaluation.visionReliance", False),
        ("evaluation.visionSamples", 32),
        ("evaluation.general", {"configMap": {"name": "rows"}}),
        ("output.mergeBase", "Original"),
        ("output.maxShardSize", "1Gi"),
        ("output.merged", False),
        ("output.pvc.path", "elsewhere"),
        ("resources.gpus", 4),
        ("podTemplate.image", "registry.example.com/team/trainer:1.2.4"),
        ("podTemplate.env", [{"name": "OMP_NUM_THREADS", "value": "8"}]),
        ("runPolicy.rerun", "again"),
    ],
)
def test_what_the_training_depends_on_starts_a_run(path: str, value: Any) -> None:
    assert hash_with(path, value) != spec_hash(FULL.spec)
    assert work_hash(spec_with(path, value)) != work_hash(FULL.spec)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("output.s3", {"bucket": "results"}),
        ("output.oci", {"repository": "registry.example.com/m"}),
        ("output.hub", {"repo": "team/m", "secretRef": {"name": "token"}}),
    ],
)
def test_another_destination_starts_a_run_that_has_the_same_work(path: str, value: Any) -> None:
    assert hash_with(path, value) != spec_hash(FULL.spec)
    assert work_hash(spec_with(path, value)) == work_hash(FULL.spec)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("model.secretRef", {"name": "newer-token"}),
        ("training.checkpoints.every", 51),
        ("evaluation.gates", ["cer <= 0.04"]),
        ("evaluation.reportSamples", 12),
        ("tracking", {"tensorboard": True, "wandb": {"project": "ocr"}}),
        ("resources.cpu", "16"),
        ("resources.memory", "128Gi"),
        ("resources.gpuResourceName", "nvidia.com/gpu"),
        ("queue", {"name": "team-b"}),
        ("drift", {"schedule": "@daily"}),
        ("podTemplate.labels", {"example.com/team": "vision"}),
        ("podTemplate.nodeSelector", {}),
        ("podTemplate.serviceAccountName", "other"),
        ("runPolicy.suspend", False),
        ("runPolicy.activeDeadline", "48h"),
        ("runPolicy.backoffLimit", 5),
        ("runPolicy.jobTTL", "1h"),
        ("runPolicy.check", "Before"),
    ],
)
def test_anything_else_never_retrains(path: str, value: Any) -> None:
    assert hash_with(path, value) == spec_hash(FULL.spec)


def test_how_the_base_model_is_asked_starts_a_run() -> None:
    """Not of the full example, which measures no base model."""

    def hash_of(**evaluation: object) -> str:
        manifest = MINIMAL.to_json()
        manifest["spec"]["dataset"]["validation"] = {"configMap": {"name": "rows"}}
        manifest["spec"]["evaluation"] |= evaluation
        return spec_hash(parse_resource(manifest).spec)

    assert len({hash_of(), hash_of(prompts=["Read."]), hash_of(fewShot=2)}) == 3


def test_another_token_for_a_destination_trains_nothing_anew() -> None:
    def hash_of(secret: str) -> str:
        manifest = MINIMAL.to_json()
        manifest["spec"]["output"] |= {
            "s3": {"bucket": "results", "secretRef": {"name": secret}},
            "oci": {"repository": "registry.example.com/m", "secretRef": {"name": secret}},
            "hub": {"repo": "team/m", "secretRef": {"name": secret}},
        }
        return spec_hash(parse_resource(manifest).spec)

    assert hash_of("a") == hash_of("b") != spec_hash(MINIMAL.spec)


def test_a_batch_that_is_chosen_is_another_than_one_that_is_named() -> None:
    def hash_of(batch: object) -> str:
        manifest = MINIMAL.to_json()
        manifest["spec"]["training"]["batchSize"] = batch
        return spec_hash(parse_resource(manifest).spec)

    assert hash_of(1) == hash_of(1.0) == spec_hash(MINIMAL.spec)
    assert len({hash_of(1), hash_of(4), hash_of("auto")}) == 3


def test_a_default_that_is_written_out_is_the_same_training() -> None:
    """The API server stores defaults, a manifest in Git leaves them out; a later field with a default is no change."""
    assert spec_hash(parse_resource(MINIMAL.to_json()).spec) == spec_hash(MINIMAL.spec)


def test_the_hash_does_not_change_between_versions() -> None:
    """It is stored on Jobs: another value here would retrain every resource of every user on upgrade."""
    assert spec_hash(MINIMAL.spec) == "729dfe6b4dbc16ed"
    assert spec_hash(FULL.spec) == "843c9dfc899c0bce"
