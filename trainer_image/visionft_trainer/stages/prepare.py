"""Stage `preprocess`: rows as the model takes them, and the plan of how it is trained on them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import torch
from visionft_api.status import Stage

from visionft_trainer.errors import writing_to
from visionft_trainer.estimate import plan
from visionft_trainer.model import load
from visionft_trainer.prepare import stage as data_stage
from visionft_trainer.processes import sharding
from visionft_trainer.stages.gather import Gathered
from visionft_trainer.stages.order import Order
from visionft_trainer.storage.resolved import write_resolved

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ready:
    """Everything but the model's weights."""

    rows: data_stage.PreparedData
    processor: Any
    device: torch.device
    plan: plan.Plan


def prepare(order: Order, gathered: Gathered) -> Ready:
    """Prepare the rows and say how they are to be learnt from. Raises as `data_stage.prepare` and `plan.make` do."""
    spec, progress, files = order.spec, order.progress, gathered.files
    progress.enter(Stage.PREPROCESS)
    sharding.check(spec)
    device = load.choose_device(spec, order.settings)
    processor = load.load_processor(files, spec)
    rows = data_stage.prepare(
        gathered.data, gathered.found, spec, processor, files.family, order.scratch, progress, gathered.general
    )
    # Not before: rows that are refused may still be mended, and the run goes on with the mended ones.
    write_resolved(order.place, gathered.resolved)
    with writing_to(order.place.data_report):
        data_stage.write_report(order.place.data_report, rows.report)
    for warning in rows.report.warnings:
        log.warning("%s: %s", warning.reason, warning.message)
    planned = plan.make(spec, files, rows.train, device, load.choose_dtype(device), progress, order.member)
    return Ready(rows, processor, device, planned)
