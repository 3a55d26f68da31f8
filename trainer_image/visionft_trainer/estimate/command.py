"""`visionft-trainer estimate`: what a run would need on a GPU, from its manifest, without a GPU and without weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, TextIO

from visionft_api.quantities import format_size, parse_size
from visionft_api.run_file import RunFile
from visionft_api.spec import VisionFineTuneSpec
from visionft_api.status import Stage

from visionft_trainer import libraries
from visionft_trainer.data import ingest
from visionft_trainer.errors import BadConfigError, RunError
from visionft_trainer.prepare import packing
from visionft_trainer.prepare import stage as data_stage
from visionft_trainer.reporting.progress import Progress
from visionft_trainer.settings import Settings
from visionft_trainer.sources import model as model_source
from visionft_trainer.sources import model_code
from visionft_trainer.sources.model_files import ModelFiles
from visionft_trainer.storage.scratch import Scratch, scratch_folder

if TYPE_CHECKING:
    from visionft_trainer.estimate.choose import Choice
    from visionft_trainer.estimate.memory import Needs
    from visionft_trainer.estimate.sizes import RowSize
    from visionft_trainer.prepare.preprocess import Prepared

COMMON_GPUS = ("16Gi", "24Gi", "48Gi", "80Gi", "141Gi")
"""Memory of GPUs that are often met, for when none is named."""


@dataclass(frozen=True)
class Fit:
    """How the run would be trained on a GPU of this size."""

    memory: int
    choice: Choice


@dataclass(frozen=True)
class Findings:
    """What the command found out."""

    family: str
    trained: int
    """Numbers that are trained."""
    rows: str
    """What the sizes of rows are taken from."""
    largest: RowSize
    fits: Sequence[Fit]


def estimate(run_file: RunFile, settings: Settings, progress: Progress, memory: str | None) -> Findings:
    """Estimate the run on a GPU with `memory` (`80Gi`), or on common ones.

    Raises:
        RunError: the model's configuration cannot be had, or the manifest asks for what cannot be trained.
    """
    spec = run_file.spec
    try:
        sizes = [parse_size(memory)] if memory is not None else [parse_size(text) for text in COMMON_GPUS]
    except ValueError as error:
        raise BadConfigError(f"--gpu-memory: {error}.") from None
    files = model_source.locate(spec.model, settings, weights=False)
    model_code.try_code(files, spec, settings)
    packing.check(spec.training, files.family)
    libraries.prepare(spec.resources, "cpu")
    from visionft_trainer.processes import sharding

    sharding.check(spec)
    with scratch_folder() as scratch:
        return _estimate(spec, files, settings, progress, scratch, sizes)


def _estimate(
    spec: VisionFineTuneSpec,
    files: ModelFiles,
    settings: Settings,
    progress: Progress,
    scratch: Scratch,
    sizes: Sequence[int],
) -> Findings:
    import torch

    from visionft_trainer.estimate import choose, empty, memory
    from visionft_trainer.estimate import sizes as row_sizes
    from visionft_trainer.model import load
    from visionft_trainer.processes import sharding

    processor = load.load_processor(files, spec)
    model = empty.empty_model(files, spec, torch.bfloat16)
    rows, why = _rows(spec, files, settings, progress, scratch, processor)
    if rows is not None:
        found = row_sizes.sizes_of(rows, model.config)
        said = f"the {len(rows.examples)} training rows, the {len(found)} longest and others looked at"
    else:
        found = [row_sizes.largest_allowed(spec.dataset, files.family, processor, model.config)]
        said = f"spec.dataset's limits, one picture a row, since the training rows cannot be read ({why})"
    if spec.training.packing:
        found = row_sizes.packed(found, spec.dataset.limits.max_tokens)
    described = memory.describe(model, files.family, spec.training.optimizer)
    processes = max(spec.resources.gpus, 1) * spec.resources.nodes
    shardable = sharding.obstacle(spec) is None
    fits = [Fit(size, choose.choose(spec.training, described, found, size, processes, shardable)) for size in sizes]
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return Findings(files.family.name, trained, said, row_sizes.largest(found), fits)


def _rows(
    spec: VisionFineTuneSpec,
    files: ModelFiles,
    settings: Settings,
    progress: Progress,
    scratch: Scratch,
    processor: Any,
) -> tuple[Prepared | None, str]:
    """The prepared training rows, or why there are none."""
    try:
        progress.enter(Stage.INGEST)
        data = ingest.ingest(spec, settings, scratch, progress.tick)
        found = data_stage.inspect(data, spec, progress)
        progress.enter(Stage.PREPROCESS)
        return data_stage.prepare(data, found, spec, processor, files.family, scratch, progress).train, ""
    except RunError as error:
        return None, str(error).rstrip(".")


def print_table(findings: Findings, stream: TextIO) -> None:
    """For people: each way to train, the GPUs that it is chosen on, and what it needs for what."""
    large = findings.largest
    stream.write(
        f"{findings.family}; {findings.trained:,} numbers are trained.\n"
        f"Rows: {findings.rows}; the largest has {large.tokens:,} tokens and {large.patches:,} picture patches.\n\n"
    )
    for choice, alike in groupby(findings.fits, key=lambda fit: fit.choice):
        needs, batching = choice.needs, choice.batching
        memories = ", ".join(format_size(fit.memory) for fit in alike)
        stream.write(f"GPU with {memories}: " + ("fits" if choice.fits else "does not fit") + "\n")
        stream.write(
            f"  {batching.micro_batch} samples at a time, {batching.accumulation} times a step, "
            f"{'with' if batching.gradient_checkpointing else 'without'} gradient checkpointing\n"
        )
        if choice.processes > 1:
            stream.write(f"  {_place(choice)}\n")
        if needs.host:
            stream.write(f"  each process loads {format_size(needs.host)} into the node's memory first\n")
        for name, size in _parts(needs):
            stream.write(f"  {name:<24}{format_size(size):>10}\n")


def to_json(findings: Findings) -> str:
    """For programs: the same, in bytes."""
    document = {
        "family": findings.family,
        "trained": findings.trained,
        "rows": findings.rows,
        "largestRow": {"tokens": findings.largest.tokens, "patches": findings.largest.patches},
        "gpus": [
            {
                "memory": fit.memory,
                "fits": fit.choice.fits,
                "microBatch": fit.choice.batching.micro_batch,
                "accumulation": fit.choice.batching.accumulation,
                "gradientCheckpointing": fit.choice.batching.gradient_checkpointing,
                "sharding": "fsdp" if fit.choice.batching.sharded else "ddp",
                "hostMemoryOfProcess": fit.choice.needs.host,
                "bytes": {_camel(name): size for name, size in _parts(fit.choice.needs)},
            }
            for fit in findings.fits
        ],
    }
    return json.dumps(document, indent=2) + "\n"


def _place(choice: Choice) -> str:
    """Where the model lies, on several GPUs."""
    if not choice.batching.sharded:
        return f"the whole model on each of {choice.processes} GPUs (ddp)"
    shared = f"language layers shared out among {choice.processes} GPUs (fsdp)"
    if choice.whole is None:
        return shared
    return f"{shared}, since the whole model on each would take at least {format_size(choice.whole.total)}"


def _parts(needs: Needs) -> list[tuple[str, int]]:
    parts = [
        ("weights", needs.weights),
        ("trained weights", needs.adapter),
        ("gradients", needs.gradients),
        ("optimizer", needs.optimizer),
        ("activations", needs.activations.total),
        ("other processes", needs.exchange),
        ("gathered layers", needs.gathered),
        ("libraries", needs.total - needs.allocated + needs.workspace),
        ("total", needs.total),
    ]
    return [(name, size) for name, size in parts if size]


def _camel(words: str) -> str:
    first, *others = words.split()
    return first + "".join(word.capitalize() for word in others)
