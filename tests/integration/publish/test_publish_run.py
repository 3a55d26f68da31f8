"""A run whose results leave: without a claim, to several places, and when a pod is replaced on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import registry.server
from objectstore.server import ObjectStore
from obstore.store import S3Store
from support.downloads import BUCKET, from_bucket, from_registry, in_bucket, problem
from support.tiny_data import write_numbers
from support.tiny_models import tiny_qwen2_vl
from support.tiny_spec import DATA_CLAIM, MODEL_CLAIM, OUTPUT_CLAIM, tiny_run
from visionft_trainer import pipeline
from visionft_trainer.artifacts import verify
from visionft_trainer.artifacts.publish import s3
from visionft_trainer.errors import StorageFailedError
from visionft_trainer.reporting.progress import Progress
from visionft_trainer.settings import Settings
from visionft_trainer.signals import Stop
from visionft_trainer.stages import gather
from visionft_trainer.storage.folder import place_of

pytestmark = pytest.mark.timeout(900)  # the first time the servers are compiled


@pytest.fixture(scope="module")
def claims(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("claims")
    tiny_qwen2_vl(place / MODEL_CLAIM / "tiny")
    write_numbers(place / DATA_CLAIM, "train.jsonl", 8)
    write_numbers(place / DATA_CLAIM, "validation.jsonl", 4, first=60)
    return {name: place / name for name in (MODEL_CLAIM, DATA_CLAIM)}


def sections(store: ObjectStore, prefix: str, **output: Any) -> dict[str, Any]:
    s3 = {"endpoint": store.url, "bucket": BUCKET, "prefix": prefix}
    return {"output": {"pvc": None, "s3": s3, **output}, "training": {"maxSteps": 2, "checkpoints": {"every": 1}}}


def test_without_a_claim_only_the_destinations_keep_it(
    store: ObjectStore, bucket: S3Store, oci: registry.server.Registry, keys: Settings, claims: Any, tmp_path: Path
) -> None:
    settings = Settings(
        claims=claims, secrets=keys.secrets, workspace=tmp_path / "workspace", image="trainer@sha256:" + "ab" * 32
    )
    wanted = sections(store, "no-claim", merged=True, oci={"repository": f"{oci.host}/run"})
    run_file = tiny_run(tmp_path, uid="77", **wanted)
    result = pipeline.run(run_file, settings, Progress(), Stop())
    assert [(each.kind, each.uri.partition("@")[0]) for each in result.artifacts] == [
        ("adapter", "s3://models/no-claim/run-1/adapter"),
        ("merged", "s3://models/no-claim/run-1/merged"),
        ("adapter", f"oci://{oci.host}/run"),
        ("merged", f"oci://{oci.host}/run"),
        ("report", "s3://models/no-claim/run-1/report"),
        ("report", f"oci://{oci.host}/run"),
    ]
    for artifact in result.artifacts:
        copy = tmp_path / f"{artifact.kind}-{artifact.uri[:2]}"
        if artifact.uri.startswith("s3"):
            from_bucket(bucket, artifact.uri.removeprefix("s3://models/"), copy)
        else:
            from_registry(oci.host, "run", artifact.uri.partition("@")[2], copy)
        assert problem(copy, artifact.digest) is None
    check_origin(verify.verify(verify.FolderCopy(tmp_path / "merged-s3")), run_file.spec_hash)
    check_merged(tmp_path / "merged-s3")
    check_adapter(tmp_path / "adapter-s3", claims[MODEL_CLAIM] / "tiny")
    assert (tmp_path / "report-s3" / "report.html").is_file()
    again = pipeline.run(run_file, settings, Progress(), Stop())
    assert again == result


def check_origin(verdict: verify.Verdict, spec_hash: str) -> None:
    said = verify.origin_of(verdict)
    assert (said["resource"], said["run"], said["specHash"]) == ("team/tiny", 1, spec_hash)
    assert [(entry["name"], entry["uri"]) for entry in said["inputs"]] == [
        ("model", "pvc://models/tiny"),
        ("train rows", "pvc://data/train.jsonl"),
        ("validation rows", "pvc://data/validation.jsonl"),
        ("trainer image", "oci://trainer@sha256:" + "ab" * 32),
    ]
    assert all(entry["digest"].startswith("sha256:") for entry in said["inputs"])
    assert said["startedOn"] <= said["finishedOn"]
    assert any(package.startswith("pkg:pypi/torch@") for package in said["packages"])


def check_merged(folder: Path) -> None:
    from transformers import AutoModelForImageTextToText, AutoProcessor, GenerationConfig

    model = AutoModelForImageTextToText.from_pretrained(folder)
    assert model.config.model_type == "qwen2_vl"
    assert AutoProcessor.from_pretrained(folder).chat_template
    assert GenerationConfig.from_pretrained(folder)


def check_adapter(folder: Path, base: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForImageTextToText, AutoProcessor

    assert PeftModel.from_pretrained(AutoModelForImageTextToText.from_pretrained(base), folder)
    assert AutoProcessor.from_pretrained(folder).chat_template


def test_a_replaced_pod_goes_on_with_the_upload_and_trains_nothing(
    store: ObjectStore, bucket: S3Store, keys: Settings, claims: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = tmp_path / OUTPUT_CLAIM
    results.mkdir()
    settings = Settings(claims={**claims, OUTPUT_CLAIM: results}, secrets=keys.secrets)
    run_file = tiny_run(tmp_path, uid="78", **sections(store, "replaced", pvc={"claimName": OUTPUT_CLAIM}))

    def broken(*_: Any) -> None:
        raise StorageFailedError("the server is gone")

    with monkeypatch.context() as patched:
        patched.setattr(s3.S3Destination, "put", broken)
        with pytest.raises(StorageFailedError, match="the server is gone"):
            pipeline.run(run_file, settings, Progress(), Stop())
    assert not in_bucket(bucket, "replaced/run-1/adapter")
    run = place_of(run_file, settings)[1] / "run-1"
    assert not (run / "result.json").exists()
    monkeypatch.setattr(pipeline, "_train", broken)
    result = pipeline.run(run_file, settings, Progress(), Stop())
    assert [artifact.uri for artifact in result.artifacts] == [
        "pvc://results/tiny/run-1/adapter",
        "s3://models/replaced/run-1/adapter",
        "pvc://results/tiny/run-1/report",
        "s3://models/replaced/run-1/report",
    ]
    assert problem(from_bucket(bucket, "replaced/run-1/adapter", tmp_path / "copy"), result.artifacts[1].digest) is None
    assert problem(run / "adapter", result.artifacts[0].digest) is None


def test_a_place_that_cannot_be_written_costs_no_training(
    store: ObjectStore, keys: Settings, claims: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather, "data_stage", None)  # not a row is read
    settings = Settings(claims=claims, secrets=keys.secrets, workspace=tmp_path / "workspace")
    wanted = sections(store, "x")
    wanted["output"]["s3"]["bucket"] = "elsewhere"
    with pytest.raises(StorageFailedError, match="there is no bucket elsewhere"):
        pipeline.run(tiny_run(tmp_path, **wanted), settings, Progress(), Stop())
