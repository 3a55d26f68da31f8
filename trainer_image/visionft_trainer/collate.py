"""Rows side by side: batches for training (padded right, with labels) and for generation (padded left)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from visionft_trainer.families import Family
from visionft_trainer.order import Unit
from visionft_trainer.preprocess import IGNORED, Example, Prepared

Batch = dict[str, torch.Tensor]


class Collator:
    """Turns units of a prepared split into a training batch; see `feed`."""

    def __init__(self, prepared: Prepared, processor: Any, family: Family) -> None:
        self._prepared = prepared
        self._processor = processor
        self._family = family

    def __call__(self, units: Sequence[Unit]) -> Batch:
        """The batch of these units' rows. What is random about a row follows from the seed, the epoch and the row."""
        examples = [self._prepared.examples[row] for unit in units for row in unit.rows]
        return training_batch(examples, self._prepared, self._processor, self._family)


def training_batch(examples: Sequence[Example], prepared: Prepared, processor: Any, family: Family) -> Batch:
    """`input_ids`, `attention_mask`, `labels` `[B, T]` and what the family adds."""
    length = max(len(example.input_ids) for example in examples)
    pad = pad_id(processor)
    batch = _text(
        [_padded(example.input_ids, length, pad, left=False) for example in examples],
        [len(example.input_ids) for example in examples],
        length,
        left=False,
    )
    batch["labels"] = torch.stack([_padded(example.labels, length, IGNORED, left=False) for example in examples])
    return _with_extras(batch, examples, prepared, processor, family)


def prompt_batch(examples: Sequence[Example], prepared: Prepared, processor: Any, family: Family) -> Batch:
    """`input_ids`, `attention_mask` `[B, T]` and what the family adds; prompts end at the right edge."""
    length = max(len(example.prompt_ids) for example in examples)
    pad = pad_id(processor)
    batch = _text(
        [_padded(example.prompt_ids, length, pad, left=True) for example in examples],
        [len(example.prompt_ids) for example in examples],
        length,
        left=True,
    )
    return _with_extras(batch, examples, prepared, processor, family)


def pad_id(processor: Any) -> int:
    """The padding token, or the end token where a tokenizer has none; masked in either case."""
    tokenizer = processor.tokenizer
    return int(tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id)


def _text(ids: list[torch.Tensor], lengths: list[int], total: int, *, left: bool) -> Batch:
    positions = torch.arange(total)
    real = [positions >= total - length if left else positions < length for length in lengths]
    return {"input_ids": torch.stack(ids), "attention_mask": torch.stack(real).long()}


def _with_extras(
    batch: Batch, examples: Sequence[Example], prepared: Prepared, processor: Any, family: Family
) -> Batch:
    """Picture tensors, joined in the rows' order, and the family's tensors over the text."""
    rows = [prepared.pictures.of(example.row) for example in examples]
    text = family.text_inputs(processor, batch["input_ids"], batch["attention_mask"], rows)
    return batch | text | family.image_inputs(rows)


def _padded(values: torch.Tensor, length: int, filler: int, *, left: bool) -> torch.Tensor:
    padding = torch.full((length - len(values),), filler, dtype=values.dtype)
    return torch.cat([padding, values] if left else [values, padding])
