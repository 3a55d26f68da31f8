"""What trackers are told of a run that is complete, read from what it has written."""

from __future__ import annotations

from visionft_trainer.reporting.report import Result, read_result
from visionft_trainer.storage.folder import RunFolder
from visionft_trainer.tracking.tracker import Point
from visionft_trainer.tracking.worker import Ending


def ending_of(place: RunFolder) -> Ending | None:
    """Figures by name (`tuned/cer`), facts, and the files that people open."""
    result = read_result(place)
    if result is None:
        return None
    files = (place.result, place.judgement, place.page)
    return Ending(_curve(result), _figures(result), _tags(result), [file for file in files if file.is_file()])


def _curve(result: Result) -> list[Point]:
    milliseconds = round(result.completion_time.timestamp() * 1000)
    points = []
    for at in result.curve:
        values = {"train/loss": at.loss, "train/learning_rate": at.learning_rate, "validation/loss": at.validation_loss}
        points.append(Point(at.step, {k: v for k, v in values.items() if v is not None}, milliseconds))
    return points


def _figures(result: Result) -> dict[str, float]:
    if result.evaluation is None:
        return {}
    parts = {
        "baseline": result.evaluation.baseline,
        "tuned": result.evaluation.tuned,
        "delta": result.evaluation.delta,
    }
    return {
        f"{part}/{metric}": float(value) for part, values in parts.items() for metric, value in (values or {}).items()
    }


def _tags(result: Result) -> dict[str, str]:
    tags = {
        f"artifact.{artifact.kind}": f"{artifact.uri} {artifact.digest or ''}".strip() for artifact in result.artifacts
    }
    facts = {
        "verdict": result.evaluation.verdict if result.evaluation else None,
        "dataset": result.resolved.dataset_digest,
        "modelRevision": result.resolved.model_revision,
        "specHash": result.spec_hash,
    }
    return tags | {name: value for name, value in facts.items() if value}
