"""A run whose results leave: without a claim, to several places, and when a pod is replaced on the way."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import registry.server
from objectstore.server import ACCESS_KEY, SECRET_KEY, ObjectStore
from obstore.store import S3Store
from support.downloads import BUCKET, from_bucket, from_registry, problem
from support.tiny_data import write_numbers
from support.tiny_models import tiny_qwen2_vl
from support.tiny_spec import DATA_CLAIM, MODEL_CLAIM, OUTPUT_CLAIM, tiny_run
from visionft_api.exit_codes import ExitCode
from visionft_api.status import Stage
from visionft_trainer import pipeline
from visionft_trainer.artifacts import sums, verify
from visionft_trainer.errors import StorageFailedError
from visionft_trainer.failures import classify
from visionft_trainer.reporting.progress import Progress, Snapshot
from visionft_trainer.reporting.report import Result
from visionft_trainer.settings import Settings
from visionft_trainer.signals import Stop
from visionft_trainer.stages import gather
from visionft_trainer.storage import digest

S3_KEYS = {"OUTPUT_S3_AWS_ACCESS_KEY_ID": ACCESS_KEY, "OUTPUT_S3_AWS_SECRET_ACCESS_KEY": SECRET_KEY}


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


def test_a_place_that_cannot_be_written_costs_no_training(
    store: ObjectStore, keys: Settings, claims: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather, "data_stage", None)  # not a row is read
    settings = Settings(claims=claims, secrets=keys.secrets, workspace=tmp_path / "workspace")
    wanted = sections(store, "x")
    wanted["output"]["s3"]["bucket"] = "elsewhere"
    with pytest.raises(StorageFailedError, match="there is no such bucket: s3://elsewhere/"):
        pipeline.run(tiny_run(tmp_path, **wanted), settings, Progress(), Stop())


class Vanishing:
    """Removes a bucket when the training is over."""

    def __init__(self, bucket: Path) -> None:
        self._bucket = bucket

    def show(self, snapshot: Snapshot) -> None:
        if snapshot.stage == Stage.EVALUATE:
            shutil.rmtree(self._bucket, ignore_errors=True)

    def close(self) -> None:
        pass


def to_claim_and(store: ObjectStore, bucket: str, **output: Any) -> dict[str, Any]:
    wanted = sections(store, "corrected", pvc={"claimName": OUTPUT_CLAIM}, **output)
    wanted["output"]["s3"]["bucket"] = bucket
    return wanted


@pytest.fixture(scope="module")
def trained(store: ObjectStore, claims: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The claim of a run that was trained, and whose bucket was gone when it came to the upload."""
    place = tmp_path_factory.mktemp("trained")
    results = place / OUTPUT_CLAIM
    results.mkdir()
    gone = store.folder / "gone"
    gone.mkdir()
    run_file = tiny_run(place, uid="79", **to_claim_and(store, "gone"))
    settings = Settings(claims={**claims, OUTPUT_CLAIM: results}, secrets=S3_KEYS)
    with pytest.raises(StorageFailedError, match="there is no such bucket: s3://gone/") as failure:
        pipeline.run(run_file, settings, Progress([Vanishing(gone)]), Stop())
    assert classify(failure.value).exit_code == ExitCode.STORAGE_FAILED
    return results


@pytest.fixture
def without_training(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A copy of that claim, where neither rows nor model are any more, and nothing can be trained."""
    results = tmp_path / OUTPUT_CLAIM
    shutil.copytree(trained, results)

    def forbidden(*_: Any) -> None:
        raise AssertionError("something is trained")

    monkeypatch.setattr(pipeline, "_train", forbidden)
    return Settings(claims={OUTPUT_CLAIM: results}, secrets=S3_KEYS)


def again_in_bucket(store: ObjectStore, settings: Settings, place: Path) -> Result:
    """The next pod of the first run, with its bucket back."""
    (store.folder / "gone").mkdir(exist_ok=True)
    return pipeline.run(tiny_run(place, uid="79", **to_claim_and(store, "gone")), settings, Progress(), Stop())


def test_a_replaced_pod_goes_on_with_the_upload_and_trains_nothing(
    store: ObjectStore, without_training: Settings, tmp_path: Path
) -> None:
    run = without_training.claims[OUTPUT_CLAIM] / "tiny" / "run-1"
    assert not (run / "result.json").exists()
    result = again_in_bucket(store, without_training, tmp_path)
    assert [artifact.uri for artifact in result.artifacts] == [
        "pvc://results/tiny/run-1/adapter",
        "s3://gone/corrected/run-1/adapter",
        "pvc://results/tiny/run-1/report",
        "s3://gone/corrected/run-1/report",
    ]
    copy = from_bucket(store.client("gone"), "corrected/run-1/adapter", tmp_path / "copy")
    assert problem(copy, result.artifacts[1].digest) is None
    assert problem(run / "adapter", result.artifacts[0].digest) is None


def test_other_gates_do_not_complete_a_run_that_is_not_published(
    store: ObjectStore, without_training: Settings, tmp_path: Path
) -> None:
    shutil.rmtree(store.folder / "gone", ignore_errors=True)
    wanted = to_claim_and(store, "gone") | {"evaluation": {"gates": ["cer <= 0"]}}
    for _ in range(2):
        with pytest.raises(StorageFailedError, match="there is no such bucket"):
            pipeline.run(tiny_run(tmp_path, uid="79", **wanted), without_training, Progress(), Stop())


def test_a_corrected_bucket_gets_what_was_trained_before(
    store: ObjectStore, bucket: S3Store, without_training: Settings, tmp_path: Path
) -> None:
    runs = without_training.claims[OUTPUT_CLAIM] / "tiny"
    before = digest.manifest(runs / "run-1")
    wanted = to_claim_and(store, BUCKET)
    wanted["evaluation"] = {"gates": ["cer <= 0"]}
    progress = Progress()
    result = pipeline.run(tiny_run(tmp_path, uid="79", run=2, **wanted), without_training, progress, Stop())
    assert [artifact.uri for artifact in result.artifacts] == [
        "pvc://results/tiny/run-2/adapter",
        "s3://models/corrected/run-2/adapter",
        "pvc://results/tiny/run-2/report",
        "s3://models/corrected/run-2/report",
    ]
    made = sums.digest_of(runs / "run-1" / "adapter")
    assert [artifact.digest for artifact in result.artifacts[:2]] == [made, made]
    assert problem(from_bucket(bucket, "corrected/run-2/adapter", tmp_path / "copy"), made) is None
    assert progress.snapshot.percent == 100
    assert progress.snapshot.notes[0].startswith("Run 2 takes over what run 1 trained")
    assert result.failed_gates, "today's gates judge what was measured then"
    assert digest.manifest(runs / "run-1") == before, "the first run stays as it was"
    told = json.loads((runs / "run-2" / "report" / "report.json").read_text())
    assert (told["run"], told["trainedIn"], [entry.get("run") for entry in told["cost"]["attempts"]]) == (
        2,
        1,
        [1, None],
    )
    assert "train" not in told["cost"]["attempts"][1]["seconds"]
    shutil.rmtree(runs / "run-1")
    assert problem(runs / "run-2" / "adapter", made) is None


def test_a_further_destination_costs_no_training(
    store: ObjectStore, oci: registry.server.Registry, without_training: Settings, tmp_path: Path
) -> None:
    first = again_in_bucket(store, without_training, tmp_path)
    wanted = to_claim_and(store, "gone", oci={"repository": f"{oci.host}/further"})
    result = pipeline.run(tiny_run(tmp_path, uid="79", run=2, **wanted), without_training, Progress(), Stop())
    pushed = next(artifact for artifact in result.artifacts if artifact.uri.startswith("oci"))
    copy = from_registry(oci.host, "further", pushed.uri.partition("@")[2], tmp_path / "copy")
    assert problem(copy, pushed.digest) is None
    adapters = {artifact.digest for artifact in (*first.artifacts, *result.artifacts) if artifact.kind == "adapter"}
    assert adapters == {pushed.digest}
