"""Kubeflow's form of a report, as transformers' KubeflowCallback sends it, translated into ours.

    {"trainerStatus": {"progressPercentage": 45, "estimatedRemainingSeconds": 795, "lastUpdatedTime": "2026-01-01T…",
                       "metrics": [{"name": "loss", "value": "0.52"}, {"name": "current_step", "value": "90"}, …]}}

So an image that knows nothing of visionft shows its progress in the resource's status. What a status has no place for
(grad_norm, eval_loss, …) is left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from typing import Any

from visionft_api.decimals import format_decimal
from visionft_api.report import KubeflowStatus, Report
from visionft_api.status import Progress, Stage

DIGITS = 6
"""Decimals kept of a metric."""


def _decimal(number: float) -> str | None:
    return format_decimal(number, DIGITS)


def _count(number: float) -> int | None:
    return int(number) if 0 <= number < 2**31 else None


METRICS: dict[str, tuple[str, Callable[[float], str | int | None]]] = {
    "loss": ("loss", _decimal),
    "learning_rate": ("learning_rate", _decimal),
    "current_step": ("step", _count),
    "total_steps": ("total_steps", _count),
    "current_epoch": ("epoch", _decimal),
    "train_samples_per_second": ("samples_per_second", _decimal),
}
"""The names that transformers logs, the field of status.progress that each fills, and how."""


def translate(status: KubeflowStatus, updated: datetime) -> Report:
    """Return the report that says what `status` says.

    `updated` is when it was sent, to the fraction of a second: it is the report's place in the order, because the form
    has no number.
    """
    fields: dict[str, Any] = {}
    for metric in status.metrics or ():
        if metric.name in METRICS:
            field, convert = METRICS[metric.name]
            fields[field] = convert(_number(metric.value))
    progress = Progress(
        percent=status.progress_percentage, eta_seconds=status.estimated_remaining_seconds, stage=Stage.TRAIN, **fields
    )
    milliseconds = max(0, int(updated.timestamp() * 1000))
    return Report(sequence=milliseconds, stage=Stage.TRAIN, sent_at=updated, progress=progress)


def _number(text: str) -> float:
    """Return the metric's value, NaN (which is then left out) when it is no number, as "None" is not."""
    try:
        return float(text)
    except ValueError:
        return math.nan
