"""The model answers rows greedily, in batches of rows of similar length."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from visionft_trainer.data.rows import Box, Boxes, Row
from visionft_trainer.families import Family
from visionft_trainer.prepare.boxes import decode, read_boxes
from visionft_trainer.prepare.collate import pad_id, prompt_batch
from visionft_trainer.prepare.preprocess import Example, Prepared

log = logging.getLogger(__name__)

Tick = Callable[[int], None]
"""Called with the rows answered so far."""


@dataclass(frozen=True)
class Limits:
    """How answers are generated."""

    max_new_tokens: int
    batch_size: int
    """Rows answered together, at most: where memory does not allow it, half as many, and so on."""


@dataclass(frozen=True)
class Answer:
    """What the model wrote about one row."""

    text: str
    boxes: tuple[Box, ...] | None = None
    """Those in the text, for rows that are answered by boxes; None when it wrote none."""
    tokens: int = 0
    """Generated, the one that ends the answer included."""


@dataclass(frozen=True)
class Answers:
    """Of all rows, in their order."""

    items: tuple[Answer, ...]
    seconds: float

    @property
    def tokens(self) -> int:
        """Generated in all."""
        return sum(answer.tokens for answer in self.items)


def generate(
    model: Any,
    examples: Sequence[Example],
    prepared: Prepared,
    limits: Limits,
    processor: Any,
    family: Family,
    tick: Tick = lambda _: None,
    lengths: Sequence[int] | None = None,
) -> Answers:
    """The model's answer to each example's prompt. The model ends in the mode it came in.

    The longest come first, so that a batch that is too large for the memory is found at once. `lengths` are about the
    tokens of the prompts, where it costs too much to look.
    """
    started = time.monotonic()
    sizes = lengths or [len(example.prompt_ids) for example in examples]
    waiting = sorted(range(len(examples)), key=lambda index: -sizes[index])
    answers: list[Answer] = [Answer("")] * len(examples)
    together = limits.batch_size
    was_training = model.training
    model.eval()
    try:
        while waiting:
            indices = waiting[:together]
            batch = [examples[index] for index in indices]
            try:
                written = _answer(model, batch, prepared, limits.max_new_tokens, processor, family)
            except torch.OutOfMemoryError:
                if together == 1:
                    raise
                together //= 2
                torch.cuda.empty_cache()
                log.warning(
                    "answering %d rows at a time takes more memory than there is: now %d", 2 * together, together
                )
                continue
            for index, answer in zip(indices, written, strict=True):
                answers[index] = answer
            waiting = waiting[len(indices) :]
            tick(len(examples) - len(waiting))
    finally:
        model.train(was_training)
    return Answers(tuple(answers), time.monotonic() - started)


@torch.no_grad()  # not inference_mode: what a model caches meanwhile must still serve training
def _answer(
    model: Any, examples: Sequence[Example], prepared: Prepared, max_new_tokens: int, processor: Any, family: Family
) -> list[Answer]:
    from transformers import GenerationConfig

    batch = prompt_batch(examples, prepared, processor, family)
    ends = model.generation_config.eos_token_id or processor.tokenizer.eos_token_id
    # A configuration of our own: a checkpoint's may sample, or punish repetition, and digits repeat.
    config = GenerationConfig(  # type: ignore[no-untyped-call]
        max_new_tokens=max_new_tokens, do_sample=False, pad_token_id=pad_id(processor), eos_token_id=ends
    )
    inputs = {name: tensor.to(model.device) for name, tensor in batch.items()}
    written = model.generate(**inputs, generation_config=config)[:, batch["input_ids"].shape[1] :].cpu()
    texts = decode(written, processor, family)
    stops = torch.tensor(ends if isinstance(ends, list) else [ends])
    ended = torch.isin(written, stops)
    counts = torch.where(ended.any(1), ended.int().argmax(1) + 1, written.shape[1]).tolist()
    return [
        Answer(text, _boxes(text, example, prepared, processor, family), count)
        for text, example, count in zip(texts, examples, counts, strict=True)
    ]


def _boxes(text: str, example: Example, prepared: Prepared, processor: Any, family: Family) -> tuple[Box, ...] | None:
    right = boxes_of(example.row)
    if right is None:
        return None
    boxes = read_boxes(text, prepared.images(example), processor, family, right.picture)
    return None if boxes is None else tuple(boxes)


def boxes_of(row: Row) -> Boxes | None:
    """The boxes that answer `row`; None where words do."""
    return next((part for part in row.messages[-1].parts if isinstance(part, Boxes)), None)
