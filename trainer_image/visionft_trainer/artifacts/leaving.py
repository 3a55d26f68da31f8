"""The end of a training: the model as it will ship, to be measured, and then the folders that leave."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from visionft_api.quantities import parse_size
from visionft_api.spec import VisionFineTuneSpec

from visionft_trainer.artifacts import adapter, artifact, companions, merged, original, provenance
from visionft_trainer.artifacts.artifact import Artifact, Fill
from visionft_trainer.sources.model_files import ModelFiles

if TYPE_CHECKING:
    import torch

    from visionft_trainer.prepare.preprocess import Prepared

Weighty = Literal["adapter", "merged"]
"""Kinds of artifacts that hold a model."""
Card = Callable[[Weighty, Path], None]
"""Writes the model card of an artifact into its folder."""


@dataclass(frozen=True)
class Shipped:
    """What is measured, and then written."""

    model: Any
    """The merged model where one is wanted, else the adapter on its base."""
    adapter: Path | None
    """Folder of the adapter's files; None after full fine-tuning."""
    difference: original.Difference | None = None
    """From the dequantised merge, where the adapter was merged into the original weights."""


def ship(
    tuned: Any,
    spec: VisionFineTuneSpec,
    files: ModelFiles,
    device: torch.device,
    rows: Prepared,
    processor: Any,
    adapter_folder: Path,
) -> Shipped:
    """The model as `spec.output` wants it, from the one that was trained, which is taken apart.

    The adapter's files are written to `adapter_folder`. On `rows` a merge into the original weights is compared.
    """
    if spec.adapter.method == "full":
        return Shipped(merged.settle(tuned), None)
    adapter.write(tuned, adapter_folder)
    if not spec.output.merged:
        return Shipped(tuned, adapter_folder)
    return merge(tuned, spec, files, device, rows, processor, adapter_folder)


def merge(
    tuned: Any,
    spec: VisionFineTuneSpec,
    files: ModelFiles,
    device: torch.device,
    rows: Prepared | None,
    processor: Any,
    adapter_folder: Path,
) -> Shipped:
    """The merged model, from the adapter in `adapter_folder`. Without `rows` no difference is measured."""
    if spec.output.merge_base == "Dequantized" or spec.model.quantization == "none":
        return Shipped(merged.merge(tuned, adapter_folder), adapter_folder)
    from visionft_trainer.model import load

    plain = spec.model_copy(update={"model": spec.model.model_copy(update={"quantization": "none"})})

    def load_base() -> Any:
        return load.load_model(files, plain, device)

    model, difference = original.merge_original(tuned, adapter_folder, load_base, rows, processor, files.family)
    return Shipped(model, adapter_folder, difference)


def write(
    shipped: Shipped,
    adapter_target: Path | None,
    merged_target: Path | None,
    spec: VisionFineTuneSpec,
    processor: Any,
    origin: provenance.Origin,
    card: Card | None = None,
) -> list[Artifact]:
    """The folders, each whole or not at all; None for one that is not wanted. Raises `StorageFailedError`."""
    if shipped.difference is not None:
        apart = {
            "largest": shipped.difference.largest,
            "mean": shipped.difference.mean,
            "rows": shipped.difference.rows,
        }
        origin = provenance.learn(origin, mergeDifference=apart)
    beside: Fill = partial(companions.write, processor, shipped.model)

    def made(kind: Weighty, target: Path, weights: Fill) -> Artifact:
        cards: list[Fill] = [] if card is None else [partial(card, kind)]
        return artifact.write(kind, target, [weights, beside, *cards], origin)

    written: list[Artifact] = []
    if adapter_target is not None and shipped.adapter is not None:
        written.append(made("adapter", adapter_target, partial(_copy, shipped.adapter)))
    if merged_target is not None:
        shard = parse_size(spec.output.max_shard_size)
        written.append(made("merged", merged_target, lambda folder: _save(shipped.model, folder, shard)))
    return written


def _save(model: Any, folder: Path, shard: int) -> None:
    merged.write(model, folder, shard)


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, dirs_exist_ok=True)
