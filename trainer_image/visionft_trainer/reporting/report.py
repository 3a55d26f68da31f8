"""Stage 8: `result.json`, the termination message, and the form of the reports on the way."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, ValidationError
from visionft_api import API_VERSION
from visionft_api.base import ApiModel
from visionft_api.conditions import Reason
from visionft_api.decimals import format_decimal
from visionft_api.exit_codes import EXIT_CODES, ExitCode, explain
from visionft_api.quantities import format_size
from visionft_api.report import MAX_NOTES, Report, ReportEnvelope
from visionft_api.status import Artifact, DataSummary, Evaluation, Progress, Resolved, Stage, Verdict
from visionft_api.termination import TerminationMessage, encode
from visionft_api.timestamps import Timestamp

from visionft_trainer.errors import writing_to
from visionft_trainer.reporting.progress import Snapshot
from visionft_trainer.storage import atomic
from visionft_trainer.storage.folder import RunFolder
from visionft_trainer.storage.plain_files import read_bytes

REASONS: dict[Verdict, Reason] = {
    "Passed": Reason.GATES_PASSED,
    "Failed": Reason.GATE_NOT_MET,
    "NoGates": Reason.COMPLETED,
}
RESULT_KIND: Final = "TrainingResult"
CURVE_POINTS = 1000  # of the loss curve in result.json; longer trainings are thinned evenly


class CurvePoint(ApiModel):
    """The losses at one step."""

    step: int
    loss: float | None = None
    validation_loss: float | None = None
    learning_rate: float | None = None


class RowCounts(ApiModel):
    """Rows of one split."""

    used: int
    dropped: dict[str, int] = Field(default={}, description="Rows left out, by reason.")


class Result(ApiModel):
    """`result.json`: written last, so that its presence says that the run is complete."""

    api_version: Literal["visionft.dev/v1alpha1"] = API_VERSION
    kind: Literal["TrainingResult"] = RESULT_KIND
    run: int
    spec_hash: str
    start_time: Timestamp
    completion_time: Timestamp
    trained_in: int | None = Field(default=None, description="Earlier run that was taken over, which trained this.")
    steps: int
    rows: dict[str, RowCounts]
    evaluation: Evaluation | None = None
    failed_gates: list[str] = Field(default=[])
    artifacts: list[Artifact]
    resolved: Resolved
    data: DataSummary | None = None
    shipped_step: int | None = Field(
        default=None, description="Step whose weights ship; the best one with early stopping."
    )
    notes: list[str] = Field(default=[], description="What a person should know of how the training went.")
    curve: list[CurvePoint]


def read_result(place: RunFolder, file: Path | None = None) -> Result | None:
    """The result of this run and spec, when it is complete; that in `file`, where one is named."""
    try:
        result = Result.model_validate_json(read_bytes(file or place.result))
    except (OSError, ValidationError):
        return None
    return result if (result.run, result.spec_hash) == (place.owner.run, place.owner.spec_hash) else None


def write_result(place: RunFolder, result: Result, file: Path | None = None) -> None:
    """Complete the run, or only write `file`, where one is named. Raises `StorageFailedError`."""
    file = file or place.result
    with writing_to(file):
        atomic.write_text(file, result.model_dump_json(by_alias=True, exclude_none=True, indent=2) + "\n")


def curve_of(history: Sequence[dict[str, Any]]) -> list[CurvePoint]:
    """The loss curve from what the Trainer logged."""
    points: dict[int, CurvePoint] = {}
    for entry in history:
        step = int(entry["step"])
        point = points.get(step, CurvePoint(step=step))
        points[step] = point.model_copy(
            update={
                ours: float(entry[theirs])
                for theirs, ours in (
                    ("loss", "loss"),
                    ("eval_loss", "validation_loss"),
                    ("learning_rate", "learning_rate"),
                )
                if theirs in entry
            }
        )
    curve = [points[step] for step in sorted(points)]
    stride = -(-len(curve) // CURVE_POINTS) or 1
    return [point for index, point in enumerate(curve) if index % stride == 0 or point.validation_loss is not None]


def success_message(result: Result) -> TerminationMessage:
    """The last word of a run that came to its end, with the verdict's sentence; a failed gate is a result too."""
    verdict = result.evaluation.verdict if result.evaluation else None
    summary = result.evaluation.summary if result.evaluation else None
    reason = REASONS[verdict] if verdict else Reason.COMPLETED
    text = f"The run is complete. {summary}" if summary else "The run is complete."
    if reason == Reason.GATE_NOT_MET:
        text += " Train longer or on more rows, or change the gate."
    return TerminationMessage(
        run=result.run,
        exit_code=ExitCode.SUCCESS,
        reason=reason,
        message=" ".join([text, *result.notes]),
        stage=Stage.REPORT,
        evaluation=result.evaluation,
        artifacts=result.artifacts,
        resolved=result.resolved,
        data=result.data,
    )


def checked_message(run: int, snapshot: Snapshot) -> TerminationMessage:
    """The last word of a check that found nothing to stop a run for."""
    return TerminationMessage(
        run=run,
        exit_code=ExitCode.SUCCESS,
        reason=Reason.COMPLETED,
        message="The data can be trained on.",
        stage=snapshot.stage,
        data=snapshot.data,
    )


def failure_message(run: int, code: int, message: str, snapshot: Snapshot, detail: str | None) -> TerminationMessage:
    """The last word of a run that did not come to its end."""
    return TerminationMessage(
        run=run,
        exit_code=code,
        reason=explain(code).reason if code in EXIT_CODES else Reason.KILLED,
        message=message,
        stage=snapshot.stage,
        detail=detail,
        evaluation=snapshot.evaluation,
        artifacts=list(snapshot.artifacts) or None,
        resolved=snapshot.resolved,
        data=snapshot.data,
    )


def write_termination(file: Path | None, message: TerminationMessage) -> None:
    """Write the termination message in one piece. The file exists already in a pod and cannot be replaced there."""
    if file is not None:
        file.write_bytes(encode(message))


def compose_report(snapshot: Snapshot, sequence: int) -> dict[str, object]:
    """The body of report number `sequence`."""
    sent_at = datetime.now(UTC)
    report = Report(
        sequence=sequence,
        stage=snapshot.stage,
        sent_at=sent_at,
        progress=progress_of(snapshot, sent_at),
        evaluation=snapshot.evaluation,
        artifacts=list(snapshot.artifacts) or None,
        resolved=snapshot.resolved,
        data=snapshot.data,
        estimate=snapshot.estimate,
        notes=list(snapshot.notes[-MAX_NOTES:]) or None,
    )
    return ReportEnvelope(report=report).to_json()


def progress_of(snapshot: Snapshot, moment: datetime) -> Progress:
    """The status form of a snapshot."""
    return Progress(
        percent=snapshot.percent,
        stage=snapshot.stage,
        step=snapshot.step,
        total_steps=snapshot.total_steps,
        epoch=format_decimal(snapshot.epoch, 2),
        eta_seconds=snapshot.eta_seconds,
        loss=format_decimal(snapshot.loss),
        learning_rate=format_decimal(snapshot.learning_rate, 6),
        samples_per_second=format_decimal(snapshot.samples_per_second, 2),
        gpu_memory=format_size(snapshot.gpu_memory) if snapshot.gpu_memory else None,
        last_updated=moment,
    )
