"""Boxes in a row's messages, in the words of the model's family; and from what the model wrote back to boxes."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import lru_cache
from typing import Any

import torch

from visionft_trainer.data.rows import Box, Boxes, Part, Row
from visionft_trainer.families import Family
from visionft_trainer.families.frames import THOUSANDTHS, Frame
from visionft_trainer.prepare.pictures import ImageTensors

log = logging.getLogger(__name__)


def write_boxes(row: Row, images: ImageTensors, processor: Any, family: Family) -> Row:
    """`row` with the text of its boxes; `images` are its processed pictures. The boxes stay, for what moves them."""
    if not any(isinstance(part, Boxes) for message in row.messages for part in message.parts):
        return row
    frame = frame_of(family, processor.tokenizer)

    def written(part: Part) -> Part:
        if not isinstance(part, Boxes):
            return part
        return replace(part, text=frame.write(part.boxes, family.seen_size(processor, images, part.picture)))

    return replace(
        row, messages=tuple(replace(message, parts=tuple(map(written, message.parts))) for message in row.messages)
    )


def read_boxes(text: str, images: ImageTensors, processor: Any, family: Family, picture: int = 0) -> list[Box] | None:
    """The boxes on a row's picture that a model wrote, or None when it wrote none. Never raises."""
    return frame_of(family, processor.tokenizer).read(text, family.seen_size(processor, images, picture))


def decode(tokens: torch.Tensor, processor: Any, family: Family) -> list[str]:
    """The words of `tokens` `[B, T]`: no special tokens, except those in which the family writes boxes."""
    tokenizer = processor.tokenizer
    kept = set(tokenizer.convert_tokens_to_ids(list(_frame(family, tokenizer).tokens)))
    if not kept:
        return list(tokenizer.batch_decode(tokens, skip_special_tokens=True))
    unsaid = {token for token, added in tokenizer.added_tokens_decoder.items() if added.special} - kept
    said = [[token for token in row if token not in unsaid] for row in tokens.tolist()]
    return list(tokenizer.batch_decode(said, skip_special_tokens=False))


@lru_cache(maxsize=4)
def frame_of(family: Family, tokenizer: Any) -> Frame:
    """The family's own frame, or the plain one where the tokenizer lacks its tokens, which is said once."""
    missing = _missing(family, tokenizer)
    if missing:
        log.warning(
            "the tokenizer has no %s, in which %s writes boxes; they are written as JSON in thousandths", missing[0],
            family.name,
        )  # fmt: skip
    return _frame(family, tokenizer)


def _frame(family: Family, tokenizer: Any) -> Frame:
    return THOUSANDTHS if _missing(family, tokenizer) else family.frame


@lru_cache(maxsize=4)
def _missing(family: Family, tokenizer: Any) -> list[str]:
    return sorted(set(family.frame.tokens) - set(tokenizer.get_vocab()))
