"""How many directions the vision features of different pictures spread over; a tuned encoder may collapse to few."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from visionft_trainer.families import Family
from visionft_trainer.prepare.collate import prompt_batch
from visionft_trainer.prepare.preprocess import Example, Prepared


def effective_rank(features: np.ndarray[Any, np.dtype[np.floating[Any]]]) -> float:
    """e to the entropy of the normalised singular values of `[pictures, D]`; from 1 to the smaller of the two.

    Roy and Vetterli, "The effective rank: a measure of effective dimensionality", EUSIPCO 2007. 0 where nothing is but
    zeros, or what is no number.
    """
    if not np.isfinite(features).all():
        return 0.0
    values = np.linalg.svd(features.astype(np.float64), compute_uv=False)
    total = values.sum()
    if total <= 0:
        return 0.0
    shares = values[values > 0] / total
    return float(np.exp(-(shares * np.log(shares)).sum()))


@torch.no_grad()
def pooled_features(
    model: Any, examples: Sequence[Example], prepared: Prepared, batch_size: int, processor: Any, family: Family
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """`[pictures, D]`: what the projector hands the language model of each picture, averaged over the picture.

    The model is asked for one token, which every family can do; its first step sees the pictures.
    """
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    pooled = []
    for start in range(0, len(examples), batch_size):
        batch_examples = [examples[index] for index in range(start, min(start + batch_size, len(examples)))]
        batch = prompt_batch(batch_examples, prepared, processor, family)
        inputs = {name: tensor.to(model.device) for name, tensor in batch.items()}
        with _listening(plain, family) as heard:
            model.generate(**inputs, max_new_tokens=1, do_sample=False)
        rows = [prepared.images(example) for example in batch_examples]
        counts = [sum(1 for _ in example.row.pictures) for example in batch_examples]
        pooled.append(family.pool_features(processor, heard[0], inputs["input_ids"], rows, counts).cpu())
    return torch.cat(pooled).numpy()


@contextmanager
def _listening(model: Any, family: Family) -> Iterator[list[torch.Tensor]]:
    """Collects what comes into the family's `feature_input`."""
    names, argument = family.feature_input
    modules = dict(model.named_modules())
    module: nn.Module = next(modules[name] for name in names if name in modules)
    heard: list[torch.Tensor] = []

    def listen(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        heard.append(kwargs[argument] if argument in kwargs else args[0])

    handle = module.register_forward_pre_hook(listen, with_kwargs=True)
    try:
        yield heard
    finally:
        handle.remove()
