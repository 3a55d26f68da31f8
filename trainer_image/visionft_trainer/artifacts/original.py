"""Merging into the weights of the original checkpoint, in 16 bits (32 on a CPU), and how far that is from what was
trained.

A 4-bit adapter has learnt to correct the rounding of its base. Without that rounding the corrections stay, so the model
answers a little differently than the one that was trained; how much is measured here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from visionft_trainer.artifacts.merged import merge, merge_into

if TYPE_CHECKING:
    from visionft_trainer.families import Family
    from visionft_trainer.prepare.preprocess import Prepared

ROWS = 8  # that the difference is measured on
IGNORED = -100  # the label of tokens that are no answer


@dataclass(frozen=True)
class Difference:
    """Between the logits of both merged models, at the tokens of right answers."""

    largest: float
    mean: float
    rows: int

    def __str__(self) -> str:
        return (
            f"merged into the original weights: over the answers of {self.rows} rows its logits differ from those of "
            f"the dequantised merge by {self.largest:.2g} at most and {self.mean:.2g} on average"
        )


def merge_original(
    tuned: Any, adapter: Path, load_base: Callable[[], Any], rows: Prepared | None, processor: Any, family: Family
) -> tuple[Any, Difference | None]:
    """The original model with the adapter stored at `adapter` merged in, and what sets it apart on `rows`.

    The models follow one another, so that there is never room needed for two. `tuned` is taken apart.
    """
    if rows is None:
        _release(tuned)
        return merge_into(load_base(), adapter), None
    batches = [_batch(index, rows, processor, family) for index in range(min(ROWS, len(rows.examples)))]
    dequantised = merge(tuned, adapter)
    before = [_logits(dequantised, batch) for batch in batches]
    _release(dequantised)
    merged = merge_into(load_base(), adapter)
    apart = [(_logits(merged, batch) - logits).abs() for batch, logits in zip(batches, before, strict=True)]
    values = torch.cat([difference.flatten() for difference in apart])
    return merged, Difference(float(values.max()), float(values.mean()), len(batches))


def _batch(index: int, rows: Prepared, processor: Any, family: Family) -> dict[str, Any]:
    from visionft_trainer.prepare.collate import training_batch

    return training_batch([rows.examples[index]], rows, processor, family)


@torch.no_grad()
def _logits(model: Any, batch: dict[str, Any]) -> torch.Tensor:
    """float32 [answer tokens, vocabulary] on the CPU."""
    inputs = {
        name: value.to(model.device) if isinstance(value, torch.Tensor) else value
        for name, value in batch.items()
        if name != "labels"
    }
    logits = model(**inputs).logits[0, :-1]
    wanted: torch.Tensor = logits[batch["labels"][0, 1:].to(logits.device) != IGNORED]
    return wanted.float().cpu()


def _release(model: Any) -> None:
    """Give back the memory of `model`, whoever else still holds it."""
    for module in model.modules():
        module._parameters.clear()
        module._buffers.clear()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
