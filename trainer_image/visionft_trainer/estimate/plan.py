"""From a run's manifest, model and rows to how it will be trained and what that needs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from visionft_api.quantities import format_size, parse_size
from visionft_api.spec import VisionFineTuneSpec
from visionft_api.status import Estimate

from visionft_trainer.errors import BadModelError
from visionft_trainer.estimate import choose, memory, sizes
from visionft_trainer.estimate.empty import empty_model
from visionft_trainer.model import load
from visionft_trainer.processes import sharding
from visionft_trainer.processes.launch import Member
from visionft_trainer.reporting.progress import Progress
from visionft_trainer.sources.model_files import ModelFiles
from visionft_trainer.training.batching import Batching

if TYPE_CHECKING:
    from visionft_trainer.prepare.preprocess import Prepared

WHOLE_SHARE = 0.8
"""Of a GPU's memory, for the weights of a model that is measured on it; the rest is for rows, which adapt: a batch that
is out of memory is halved."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """How the run is trained, and where its model is whole."""

    batching: Batching
    whole: torch.device
    """Where process 0 holds the whole model, to measure and to merge it: the GPU, or the CPU where the language layers
    are shared out and the whole of them does not fit on one GPU."""


@dataclass(frozen=True)
class Described:
    """What the estimate is made from."""

    model: memory.Model
    rows: Sequence[sizes.RowSize]


def make(
    spec: VisionFineTuneSpec,
    files: ModelFiles,
    rows: Prepared,
    device: torch.device,
    dtype: torch.dtype,
    progress: Progress,
    member: Member | None = None,
) -> Plan:
    """How the run is trained on `device`, by process `member` of several; what it is expected to need, and what was
    found out about memory before, goes to `progress`.

    To be called before the model is loaded. Raises `BadConfigError` when a step cannot be shared by the processes.
    """
    plan = _estimated(spec, files, rows, device, dtype, progress, member.size if member else 1)
    halved = member.halved if member else None
    if halved is None:
        return plan
    for note in halved.notes:
        progress.note(note)
    return replace(plan, batching=plan.batching.bounded(halved.micro_batch))


def _estimated(
    spec: VisionFineTuneSpec,
    files: ModelFiles,
    rows: Prepared,
    device: torch.device,
    dtype: torch.dtype,
    progress: Progress,
    processes: int,
) -> Plan:
    if device.type != "cuda":
        return Plan(choose.on_cpu(spec.training, processes), device)
    try:
        known = describe(spec, files, rows, dtype)
    except BadModelError as error:  # loading will tell whether it is one
        log.warning("The memory that the run needs cannot be estimated: %s", error)
        return Plan(choose.ways(spec.training, processes)[-1], device)
    free, _ = torch.cuda.mem_get_info(device)
    shardable = sharding.obstacle(spec) is None
    choice = choose.choose(spec.training, known.model, known.rows, free + memory.DRIVER_BYTES, processes, shardable)
    progress.learn(estimate=Estimate(gpu_memory=format_size(choice.needs.total)))
    if not choice.fits:
        progress.note(choose.sentence(choice, free))
    elif choice.whole is not None:
        progress.note(choose.sentence(choice, free), logging.INFO)
    if not choice.batching.sharded:
        return Plan(choice.batching, device)
    warning = scarce_memory(spec, choice.needs.host, processes // spec.resources.nodes)
    if warning is not None:
        progress.note(warning)
    whole = whole_bytes(spec, known.model)
    if whole <= WHOLE_SHARE * free:
        return Plan(choice.batching, device)
    progress.note(on_the_cpu(spec, whole, free), logging.INFO)
    return Plan(choice.batching, load.CPU)


def scarce_memory(spec: VisionFineTuneSpec, each: int, processes: int) -> str | None:
    """What is said where `processes` on a node load up to `each` bytes, and it may have less memory than that takes.

    It may suffice all the same: weights that are used as they are stored are pages of one file, shared by all.
    """
    memory = spec.resources.memory
    if memory is None or each * processes <= parse_size(memory):
        return None
    return (
        f"spec.resources.memory is {memory}. With the language layers shared out (fsdp), each of {processes} "
        f"processes on a node loads the whole model, up to {format_size(each)}, into memory at first: "
        f"{format_size(each * processes)} together. Should a process be killed while the model is loaded, raise it."
    )


def whole_bytes(spec: VisionFineTuneSpec, model: memory.Model) -> int:
    """The most that the whole model takes when it is measured or merged."""
    loaded = model.tensors.weights + model.tensors.adapter
    if not spec.output.merged:
        return loaded
    if spec.output.merge_base == "Original" and spec.model.quantization != "none":
        return loaded + model.shipped  # beside each other, to be compared
    return max(loaded, model.shipped)


def on_the_cpu(spec: VisionFineTuneSpec, whole: int, free: int) -> str:
    """What is said where the whole model does not fit on one GPU."""
    what = "measured and merged" if spec.output.merged else "measured"
    return (
        f"The whole model takes {format_size(whole)}, too much for one GPU with {format_size(free)}: it is {what} on "
        "the CPU, by process 0, which takes long. Lower spec.evaluation.maxSamples, or set spec.evaluation.baseline to "
        "false, where that matters."
    )


def describe(spec: VisionFineTuneSpec, files: ModelFiles, rows: Prepared, dtype: torch.dtype) -> Described:
    """The adapted model and the sizes of its rows. Raises `BadModelError`."""
    model = empty_model(files, spec, dtype)
    found = sizes.sizes_of(rows, model.config)
    if spec.training.packing:
        found = sizes.packed(found, spec.dataset.limits.max_tokens)
    return Described(memory.describe(model, files.family, spec.training.optimizer), found)
