"""What trainer and operator tell each other and the user: conditions, reports, exit codes."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from manifests.cases import FOLDER
from pydantic import ValidationError
from visionft_api.conditions import Condition, ConditionType, Reason, find_condition
from visionft_api.exit_codes import EXIT_CODES, ExitCode, explain
from visionft_api.parse import parse_manifest, parse_resource
from visionft_api.report import KubeflowEnvelope, ReportEnvelope
from visionft_api.status import (
    Artifact,
    DataSummary,
    DataWarning,
    Estimate,
    Evaluation,
    Phase,
    Progress,
    SplitSummary,
    Stage,
    VisionFineTuneStatus,
)

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
EVALUATION = Evaluation(baseline={"cer": "0.71"}, tuned={"cer": "0.04"}, verdict="Passed")
ARTIFACTS = [Artifact(kind="adapter", uri="pvc://results/a/run-1/adapter", digest=f"sha256:{'0' * 64}", size=7)]
DATA = DataSummary(
    digest=f"sha256:{'1' * 64}",
    train=SplitSummary(rows=900, dropped={"TooLong": 3}, duplicates=2, near_duplicates=1, images=905, max_tokens=512),
    validation=SplitSummary(rows=90),
    warnings=[DataWarning(reason="NearDuplicates", message="1 picture looks like another.")],
)
REPORT = {
    "sequence": 7,
    "stage": "train",
    "sentAt": "2026-01-31T13:00:00.5+01:00",
    "progress": {"percent": 42, "step": 420, "loss": "0.4312"},
}


def condition(message: str = "", at: datetime = NOON) -> Condition:
    return Condition(type="Running", status="True", reason="Training", message=message, last_transition_time=at)


def test_timestamps_are_written_as_kubernetes_does() -> None:
    cet = timezone(timedelta(hours=1))
    assert (
        condition(at=datetime(2026, 1, 31, 13, 0, 0, 5, cet)).to_json()["lastTransitionTime"] == "2026-01-31T12:00:00Z"
    )


def test_a_condition_is_found_by_its_type() -> None:
    assert find_condition([condition()], ConditionType.RUNNING) == condition()
    assert find_condition([condition()], ConditionType.SUCCEEDED) is None


def test_a_status_of_a_newer_version_is_read_as_far_as_it_is_known() -> None:
    manifest = parse_manifest((FOLDER / "valid" / "minimal.yaml").read_text(encoding="utf-8")).to_json()
    manifest["status"] = {"phase": "Running", "mood": "good", "progress": {"percent": 42, "sparkle": 1}}
    status = parse_resource(manifest).status
    assert status.phase is Phase.RUNNING
    assert status.progress == Progress(percent=42)


@pytest.mark.parametrize("status", [{"phase": "Dancing", "run": 3}, {"conditions": [{"type": "A"}], "run": 3}])
def test_what_cannot_be_read_of_a_status_is_left_out(status: dict[str, object]) -> None:
    manifest = parse_manifest((FOLDER / "valid" / "minimal.yaml").read_text(encoding="utf-8")).to_json()
    assert parse_resource({**manifest, "status": status}).status == VisionFineTuneStatus(run=3)
    assert parse_resource({**manifest, "status": "lost"}).status == VisionFineTuneStatus()


def test_a_message_that_quotes_too_much_is_clipped() -> None:
    clipped = condition("x" * 9000).message
    assert len(clipped) == 4096
    assert clipped.endswith("x…")


def test_a_report_is_read() -> None:
    report = ReportEnvelope.model_validate({"report": REPORT}).report
    assert report.stage is Stage.TRAIN
    assert report.sent_at == NOON
    assert report.progress.loss == "0.4312"


def test_a_report_brings_what_the_check_found_and_what_the_run_needs() -> None:
    found = {"data": DATA.to_json(), "estimate": {"gpuMemory": "12Gi", "gpuHours": "1.5"}}
    report = ReportEnvelope.model_validate({"report": {**REPORT, **found}}).report
    assert report.data == DATA
    assert report.estimate == Estimate(gpu_memory="12Gi", gpu_hours="1.5")


def test_a_warning_that_quotes_too_much_is_clipped() -> None:
    assert DataWarning(reason="Leakage", message="x" * 900).message == "x" * 511 + "…"


@pytest.mark.parametrize(
    "change",
    [
        {"stage": "dance"},
        {"sequence": -1},
        {"sequence": "7"},
        {"progress": {"step": 2**63}},
        {"sentAt": "yesterday"},
        {"progress": {"percent": 101}},
        {"progress": {"loss": 0.43}},
        {"progress": {"loss": "nan"}},
        {"progress": {"mood": "good"}},
        {"evaluation": {"tuned": {f"m{i}": "1" for i in range(33)}}},
        {"data": {"train": {"dropped": {f"r{i}": 1 for i in range(17)}}}},
        {"data": {"train": {"rows": -1}}},
        {"data": {"warnings": [{"reason": "Leakage", "message": ""}] * 17}},
        {"data": {"warnings": [{"reason": "two words", "message": ""}]}},
        {"evaluation": {"warnings": [{"reason": "Forgotten", "message": ""}] * 17}},
        {"evaluation": {"conclusion": "Splendid"}},
        {"evaluation": {"intervals": {"tuned": {"cer": {"low": "0.1"}}}}},
        {"evaluation": {"intervals": {"delta": {"cer": {"low": "a", "high": "0.1"}}}}},
        {"evaluation": {"prompts": [{"name": "prompt 1", "metrics": {}}] * 17}},
        {"evaluation": {"vision": {"rank": {"baseline": 3.5}}}},
        {"data": {"digest": "short"}},
        {"estimate": {"gpuMemory": 12}},
        {"artifacts": [{"kind": "virus", "uri": "x"}]},
        {"artifacts": [{"kind": "report", "uri": "x"}] * 17},
        {"artifacts": [{"kind": "report", "uri": "x" * 2049}]},
        {"artifacts": [{"kind": "report", "uri": "x", "digest": "sha256:short"}]},
        {"extra": 1},
    ],
)
def test_a_wrong_report_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ReportEnvelope.model_validate({"report": {**REPORT, **change}})


def test_kubeflows_form_is_read() -> None:
    body = {
        "trainerStatus": {
            "progressPercentage": 45,
            "estimatedRemainingSeconds": 60,
            "metrics": [{"name": "loss", "value": "0.4"}],
            "lastUpdatedTime": "2026-01-31T12:00:00Z",
        }
    }
    status = KubeflowEnvelope.model_validate(body).trainer_status
    assert (status.progress_percentage, status.estimated_remaining_seconds) == (45, 60)


def test_the_codes_that_end_a_job_at_once_are_those_that_a_retry_cannot_mend() -> None:
    final = [code for code, info in EXIT_CODES.items() if not info.retried and code != 0]
    assert final == [ExitCode.BAD_CONFIG, ExitCode.BAD_DATASET, ExitCode.BAD_MODEL, ExitCode.OUT_OF_MEMORY]


def test_every_code_is_explained_and_an_unknown_one_too() -> None:
    assert set(EXIT_CODES) == set(ExitCode)
    assert explain(77).reason is Reason.TRAINER_ERROR
