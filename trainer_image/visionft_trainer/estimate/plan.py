"""From a run's manifest, model and rows to how it will be trained and what that needs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from visionft_api.quantities import format_size
from visionft_api.spec import VisionFineTuneSpec
from visionft_api.status import Estimate

from visionft_trainer.errors import BadModelError
from visionft_trainer.estimate import choose, memory, sizes
from visionft_trainer.estimate.empty import empty_model
from visionft_trainer.processes import sharding
from visionft_trainer.processes.launch import Member
from visionft_trainer.reporting.progress import Progress
from visionft_trainer.sources.model_files import ModelFiles
from visionft_trainer.training.batching import Batching

if TYPE_CHECKING:
    from visionft_trainer.prepare.preprocess import Prepared

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Described:
    """What the estimate is made from."""

    model: memory.Model
    rows: Sequence[sizes.RowSize]


def batching_for(
    spec: VisionFineTuneSpec,
    files: ModelFiles,
    rows: Prepared,
    device: torch.device,
    dtype: torch.dtype,
    progress: Progress,
    member: Member | None = None,
) -> Batching:
    """How the run is trained on `device`, by process `member` of several; what it is expected to need, and what was
    found out about memory before, goes to `progress`.

    To be called before the model is loaded. Raises `BadConfigError` when a step cannot be shared by the processes.
    """
    batching = _estimated(spec, files, rows, device, dtype, progress, member.size if member else 1)
    halved = member.halved if member else None
    if halved is None:
        return batching
    for note in halved.notes:
        progress.note(note)
    return batching.bounded(halved.micro_batch)


def _estimated(
    spec: VisionFineTuneSpec,
    files: ModelFiles,
    rows: Prepared,
    device: torch.device,
    dtype: torch.dtype,
    progress: Progress,
    processes: int,
) -> Batching:
    if device.type != "cuda":
        return choose.on_cpu(spec.training, processes)
    try:
        known = describe(spec, files, rows, dtype)
    except BadModelError as error:  # loading will tell whether it is one
        log.warning("The memory that the run needs cannot be estimated: %s", error)
        return choose.ways(spec.training, processes)[-1]
    free, _ = torch.cuda.mem_get_info(device)
    shardable = sharding.obstacle(spec) is None
    choice = choose.choose(spec.training, known.model, known.rows, free + memory.DRIVER_BYTES, processes, shardable)
    progress.learn(estimate=Estimate(gpu_memory=format_size(choice.needs.total)))
    if not choice.fits:
        progress.note(choose.sentence(choice, free))
    elif choice.whole is not None:
        progress.note(choose.sentence(choice, free), logging.INFO)
    return choice.batching


def describe(spec: VisionFineTuneSpec, files: ModelFiles, rows: Prepared, dtype: torch.dtype) -> Described:
    """The adapted model and the sizes of its rows. Raises `BadModelError`."""
    model = empty_model(files, spec, dtype)
    found = sizes.sizes_of(rows, model.config)
    if spec.training.packing:
        found = sizes.packed(found, spec.dataset.limits.max_tokens)
    return Described(memory.describe(model, files.family, spec.training.optimizer), found)
