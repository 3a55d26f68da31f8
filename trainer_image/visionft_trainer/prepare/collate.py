"""Rows side by side: batches for training (padded right, or packed) and for generation (padded left)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from visionft_trainer.families import Family
from visionft_trainer.prepare.pictures import ImageTensors
from visionft_trainer.prepare.preprocess import IGNORED, Example, Prepared
from visionft_trainer.training.order import Unit

Batch = dict[str, Any]


class Collator:
    """Turns units of a prepared split into a training batch; see `feed`."""

    def __init__(self, prepared: Prepared, processor: Any, family: Family, *, pack_tokens: int | None = None) -> None:
        """Units are packs of at most `pack_tokens` tokens where it is given."""
        self._prepared = prepared
        self._processor = processor
        self._family = family
        self._pack_tokens = pack_tokens

    def __call__(self, units: Sequence[Unit]) -> Batch:
        """The batch of these units' rows. What is random about a row follows from the seed, the epoch and the row."""
        packs = [self._met(unit) for unit in units]
        if self._pack_tokens is not None:
            return packed_batch(packs, self._prepared, self._processor, self._family)
        examples = [example for pack in packs for example in pack]
        return training_batch(examples, self._prepared, self._processor, self._family)

    def _met(self, unit: Unit) -> list[Example]:
        """The unit's rows as they are in its epoch.

        Packs are made before it is known how long a varied row becomes: where a pack would be too long, the rows that
        have grown most stay as they are, which always fits.
        """
        met = [self._prepared.met(row, unit.epoch) for row in unit.rows]
        if self._pack_tokens is None:
            return met
        planned = [int(self._prepared.lengths[row]) for row in unit.rows]
        grown = [len(example.input_ids) - length for example, length in zip(met, planned, strict=True)]
        over = sum(planned) + sum(grown) - self._pack_tokens
        for place in sorted(range(len(met)), key=lambda place: -grown[place]):
            if over <= 0:
                break
            met[place] = self._prepared.examples[unit.rows[place]]
            over -= grown[place]
        return met


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


def packed_batch(packs: Sequence[Sequence[Example]], prepared: Prepared, processor: Any, family: Family) -> Batch:
    """`input_ids`, `labels` `[B, T]`, `position_ids` `[B, T]` or `[4, B, T]`, and what the family adds: a pack a line.

    Rows of a line are kept apart by positions that begin anew with each, and by nothing else: with an attention mask
    or a cache, transformers does not look at the positions, and rows see each other without a word. Padding is one more
    row at the end of the line. A row's first label has no token before it to be predicted from.
    """
    lines = [_line(examples, prepared, processor, family) for examples in packs]
    length = max(len(line.input_ids) for line in lines)
    pad = pad_id(processor)
    input_ids = torch.stack([_padded(line.input_ids, length, pad, left=False) for line in lines])
    labels = torch.stack([_padded(line.labels, length, IGNORED, left=False) for line in lines])
    positions = torch.stack([_continued(line.positions, length) for line in lines], dim=1)
    rows = [images for line in lines for images in line.images]
    text = family.text_inputs(processor, input_ids, rows)
    return {
        "input_ids": input_ids,
        "labels": labels,
        "position_ids": positions if len(positions) > 1 else positions[0],
        "use_cache": False,
        **text,
        **family.image_inputs(rows),
    }


@dataclass(frozen=True)
class _Line:
    """The rows of a pack, one after the other."""

    input_ids: torch.Tensor
    labels: torch.Tensor
    positions: torch.Tensor
    """`[K, T]`, see `Family.positions`."""
    images: list[ImageTensors]
    """Of each row."""


def _line(examples: Sequence[Example], prepared: Prepared, processor: Any, family: Family) -> _Line:
    labels = [example.labels.clone() for example in examples]
    for row in labels:
        row[0] = IGNORED
    ids = [example.input_ids for example in examples]
    images = [prepared.images(example) for example in examples]
    positions = [family.positions(processor, row, tensors) for row, tensors in zip(ids, images, strict=True)]
    return _Line(torch.cat(ids), torch.cat(labels), torch.cat(positions, dim=1), images)


def _continued(positions: torch.Tensor, length: int) -> torch.Tensor:
    """`positions` `[K, T]` with padding to `length` that counts from 0 as a row does."""
    padding = torch.arange(length - positions.shape[1]).expand(len(positions), -1)
    return torch.cat([positions, padding], dim=1)


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
    rows = [prepared.images(example) for example in examples]
    text = family.text_inputs(processor, batch["input_ids"], rows)
    return batch | text | family.image_inputs(rows)


def _padded(values: torch.Tensor, length: int, filler: int, *, left: bool) -> torch.Tensor:
    padding = torch.full((length - len(values),), filler, dtype=values.dtype)
    return torch.cat([padding, values] if left else [values, padding])
