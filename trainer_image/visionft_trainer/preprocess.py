"""Stage 2: rows become token ids, labels and picture tensors.

Only answers carry labels. A row that does not fit is dropped and counted; nothing is ever cut.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from visionft_api.spec import DatasetSpec

from visionft_trainer.chat import render
from visionft_trainer.errors import BadDatasetError
from visionft_trainer.families import Family
from visionft_trainer.images import ImageRules, open_rgb, picture_name, read_bytes
from visionft_trainer.ingest import Split
from visionft_trainer.rows import Row
from visionft_trainer.shapes import BadRowError

IGNORED = -100  # the label that PyTorch's cross entropy leaves out
PICTURE_CACHE_BYTES = 2**30  # processed pictures kept in memory; those beyond are processed again when met


@dataclass(frozen=True)
class Example:
    """A row, ready for the model. All tensors are one-dimensional int64."""

    row: Row
    input_ids: torch.Tensor
    labels: torch.Tensor
    """As `input_ids` where the model is to learn, `IGNORED` elsewhere."""
    prompt_ids: torch.Tensor
    """The tokens before the last answer, for generation."""


@dataclass(frozen=True)
class Dropped:
    """A row that was left out."""

    line: int
    reason: str


@dataclass(frozen=True)
class Prepared:
    """A split, ready for the model."""

    name: str
    examples: tuple[Example, ...]
    dropped: tuple[Dropped, ...]
    pictures: Pictures

    def dropped_by_reason(self) -> dict[str, int]:
        """How many rows were left out for each kind of reason (what stands before the first colon)."""
        return dict(Counter(dropped.reason.partition(":")[0] for dropped in self.dropped))


class UnfitPictureError(ValueError):
    """A sound picture that the family's encoder does not take."""


class Pictures:
    """Processed pictures of rows, computed once and kept while they fit into `budget` bytes."""

    def __init__(self, processor: Any, family: Family, rules: ImageRules, budget: int = PICTURE_CACHE_BYTES) -> None:
        self._processor = processor
        self._family = family
        self._rules = rules
        self._left = budget
        self._kept: dict[int, dict[str, torch.Tensor]] = {}

    def of(self, row: Row) -> dict[str, torch.Tensor]:
        """The image processor's tensors for all pictures of `row`, in order; empty for a row without any.

        Raises:
            UnfitPictureError: the family cannot encode a picture of that size.
        """
        if row.line in self._kept:
            return self._kept[row.line]
        tensors = self._process(row)
        size = sum(tensor.nbytes for tensor in tensors.values())
        if size <= self._left:
            self._left -= size
            self._kept[row.line] = tensors
        return tensors

    def _process(self, row: Row) -> dict[str, torch.Tensor]:
        try:
            images = [
                open_rgb(read_bytes(picture, self._rules), picture_name(picture, self._rules))
                for picture in row.pictures
            ]
        except BadRowError as error:  # ingest has found it sound
            raise BadDatasetError(f"row {row.line}: {error}. The data changed while the run was reading it.") from None
        if not images:
            return {}
        for image in images:
            problem = self._family.fits(image.width, image.height)
            if problem:
                raise UnfitPictureError(problem)
        return dict(self._processor.image_processor(images=images, return_tensors="pt"))


def preprocess(
    split: Split,
    dataset: DatasetSpec,
    processor: Any,
    family: Family,
    tick: Callable[[int, int], None] = lambda *_: None,
) -> Prepared:
    """Prepare every row of `split`; `tick(done, total)` is called after each.

    Raises:
        BadDatasetError: no row is left, or a row's text holds the token that stands for a picture.
    """
    pictures = Pictures(processor, family, split.rules)
    examples: list[Example] = []
    dropped: list[Dropped] = []
    for index, row in enumerate(split.rows):
        outcome = _prepare_row(row, split, dataset, processor, family, pictures)
        if isinstance(outcome, Example):
            examples.append(outcome)
        else:
            dropped.append(outcome)
        tick(index + 1, len(split.rows))
    if not examples:
        raise BadDatasetError(
            f"{split.name} data {split.file.name}: none of the {len(split.rows)} rows fits; the first: row "
            f"{dropped[0].line}: {dropped[0].reason}."
        )
    return Prepared(split.name, tuple(examples), tuple(dropped), pictures)


def _prepare_row(
    row: Row, split: Split, dataset: DatasetSpec, processor: Any, family: Family, pictures: Pictures
) -> Example | Dropped:
    limits = dataset.limits
    count = sum(1 for _ in row.pictures)
    if count > limits.max_images:
        return Dropped(row.line, f"too many images: {count}, spec.dataset.limits.maxImages is {limits.max_images}")
    try:
        images = pictures.of(row)
    except UnfitPictureError as error:
        return Dropped(row.line, f"unfit image: {error}")
    rendered = render(processor, row)
    tokens = [family.image_token_ids(processor, images, index) for index in range(count)]
    placeholder = family.placeholder_id(processor)
    try:
        input_ids, labels = _encode(rendered.text, rendered.answers, tokens, processor.tokenizer, placeholder)
        prompt_ids, _ = _encode(rendered.prompt, (), tokens, processor.tokenizer, placeholder)
    except ValueError as error:
        raise BadDatasetError(f"{split.name} data {split.file.name}: row {row.line}: messages: {error}.") from None
    if len(input_ids) > limits.max_tokens:
        return Dropped(
            row.line, f"too many tokens: {len(input_ids)}, spec.dataset.limits.maxTokens is {limits.max_tokens}"
        )
    return Example(row, torch.tensor(input_ids), torch.tensor(labels), torch.tensor(prompt_ids))


def _encode(
    text: str,
    answers: Sequence[tuple[int, int]],
    images: Sequence[Sequence[int]],
    tokenizer: Any,
    placeholder: int,
) -> tuple[list[int], list[int]]:
    """Token ids of `text` with each placeholder replaced by its picture's tokens, and the labels.

    Placeholders are special tokens: replacing them before or after the text is split gives the same ids.

    Raises:
        ValueError: the text itself holds the placeholder.
    """
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    found = encoded["input_ids"].count(placeholder)
    if found != len(images):
        raise ValueError(
            f"{found} picture tokens for {len(images)} images; take {tokenizer.convert_ids_to_tokens(placeholder)} out "
            "of the text, pictures are placed by image_url parts alone"
        )
    remaining = iter(images)
    input_ids: list[int] = []
    labels: list[int] = []
    for token_id, (start, _) in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True):
        if token_id == placeholder:
            picture = next(remaining)
            input_ids += picture
            labels += [IGNORED] * len(picture)
        else:
            learnt = any(first <= start < end for first, end in answers)
            input_ids.append(token_id)
            labels.append(token_id if learnt else IGNORED)
    return input_ids, labels
