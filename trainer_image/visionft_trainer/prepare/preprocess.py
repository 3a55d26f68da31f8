"""Stage 2: rows become token ids, labels and picture tensors.

Only answers carry labels. A row that does not fit is dropped and counted; nothing is ever cut.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from visionft_api.spec import DatasetSpec

from visionft_trainer.data.dropped import Dropped, DroppedRows, refusal
from visionft_trainer.data.ingest import Split
from visionft_trainer.data.report.facts import picture_sizes
from visionft_trainer.data.rows import BadRowError, Row, Text
from visionft_trainer.errors import BadDatasetError, BadModelError
from visionft_trainer.families import Family
from visionft_trainer.prepare.boxes import write_boxes
from visionft_trainer.prepare.chat import RewrittenTurnsError, render
from visionft_trainer.prepare.pictures import ImageTensors, Outlines, Pictures, Size, UnfitPictureError
from visionft_trainer.prepare.variation import Variation
from visionft_trainer.storage.disk_list import DiskList
from visionft_trainer.storage.scratch import Scratch

TICK_ROWS = 16  # between two words on the progress
IGNORED = -100  # the label that PyTorch's cross entropy leaves out

__all__ = ["IGNORED", "Example", "Prepared", "preprocess"]


@dataclass(frozen=True)
class Example:
    """A row, ready for the model. All tensors are one-dimensional int64."""

    row: Row
    input_ids: torch.Tensor
    labels: torch.Tensor
    """As `input_ids` where the model is to learn, `IGNORED` elsewhere."""
    prompt_ids: torch.Tensor
    """The tokens before the last answer, for generation."""
    images: ImageTensors | None = None
    """Its processed pictures where they are others than the row's own."""


class UnfitRowError(Exception):
    """A sound row that does not fit: the kind of reason, by which rows are counted, and the figures."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind


@dataclass(frozen=True)
class Prepared:
    """A split, ready for the model."""

    name: str
    examples: Sequence[Example]
    """On disk; each access reads one."""
    lengths: np.ndarray[Any, np.dtype[np.int32]]
    """Tokens of each example."""
    answer_lengths: np.ndarray[Any, np.dtype[np.int32]]
    """Those of them that are learnt."""
    dropped: DroppedRows
    """Rows that were found sound but do not fit the limits or the model."""
    pictures: Pictures
    varied: Callable[[Example, int, int], Example] = field(default_factory=lambda: _as_it_is)
    """What an example is in one epoch; see `varying`."""
    longest: np.ndarray[Any, np.dtype[np.int32]] | None = None
    """Tokens of each example in its longest wording; see `with_longest`."""

    def met(self, index: int, epoch: int) -> Example:
        """Example `index` as training meets it in `epoch`."""
        return self.varied(self.examples[index], epoch, index)

    def images(self, example: Example) -> ImageTensors:
        """The processed pictures of one of the examples."""
        return self.pictures.of(example.row) if example.images is None else example.images


def preprocess(
    split: Split,
    dataset: DatasetSpec,
    processor: Any,
    family: Family,
    scratch: Scratch,
    tick: Callable[[int, int], None] = lambda *_: None,
) -> Prepared:
    """Prepare every row of `split`; `tick(done, total)` is called after each.

    Raises:
        BadDatasetError: no row is left; or, where `badRows` is Refuse, rows that the model cannot be given.
        BadModelError: the chat template rewrites every row of several answers.
    """
    pictures = Pictures(processor, family, split.rules)
    preparing = _Preparing(split, dataset, processor, family, tick, Outlines(pictures))
    examples = DiskList.write(
        scratch.file(f"{split.name}.examples"), preparing.examples(), pack_example, unpack_example
    )
    preparing.judge(len(examples))
    if not examples:
        first = preparing.dropped.named[0]
        raise BadDatasetError(
            f"{split.name} data {split.title}: none of the {len(split.rows)} rows fits; the first: {first.reason}."
        )
    lengths, answers = (np.frombuffer(noted, dtype=np.int32) for noted in (preparing.lengths, preparing.answers))
    return Prepared(split.name, examples, lengths, answers, preparing.dropped, pictures)


def varying(prepared: Prepared, variation: Variation, dataset: DatasetSpec, processor: Any, family: Family) -> Prepared:
    """`prepared` with rows that differ from epoch to epoch. One that would then no longer fit stays as it is."""

    return replace(prepared, varied=_Varied(prepared.pictures, variation, dataset, processor, family))


def with_longest(prepared: Prepared, dataset: DatasetSpec, tokenizer: Any) -> Prepared:
    """`prepared` with the room that packs keep for each row: packs are made once, before wordings are drawn.

    Texts are counted one by one, so that no picture is opened; beside its neighbours a text may have a token more.
    """

    def room(example: Example) -> int:
        several = [part for message in example.row.messages for part in message.parts
                   if isinstance(part, Text) and part.others]  # fmt: skip
        counts = [[len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in (part.text, *part.others)]
                  for part in several]  # fmt: skip
        grown = sum(max(of_part) - of_part[0] for of_part in counts)
        # A wording that is too long is never drawn.
        return min(len(example.input_ids) + grown, dataset.limits.max_tokens)

    longest = np.fromiter((room(example) for example in prepared.examples), dtype=np.int32)
    return replace(prepared, longest=longest)


@dataclass(frozen=True)
class _Varied:
    """See `varying`. A class, so that it can travel to the other processes of a run."""

    pictures: Pictures
    variation: Variation
    dataset: DatasetSpec
    processor: Any
    family: Family

    def __call__(self, example: Example, epoch: int, index: int) -> Example:
        changed = self.variation.changes_pictures(epoch, index)
        opened = self.pictures.open(example.row) if changed else []
        row, images = self.variation.vary(example.row, opened, epoch, index)
        try:
            tensors = self.pictures.process(images) if changed else self.pictures.of(example.row)
            return replace(prepare_row(row, tensors, self.dataset, self.processor, self.family), images=tensors)
        except (UnfitPictureError, UnfitRowError, BadRowError):
            return example


def _as_it_is(example: Example, epoch: int, index: int) -> Example:
    return example


@dataclass
class _Preparing:
    split: Split
    dataset: DatasetSpec
    processor: Any
    family: Family
    tick: Callable[[int, int], None]
    outlines: Outlines
    lengths: array[int] = field(default_factory=lambda: array("i"))  # four bytes a row
    answers: array[int] = field(default_factory=lambda: array("i"))
    dropped: DroppedRows = field(default_factory=DroppedRows)
    bad: DroppedRows = field(default_factory=DroppedRows)
    rewritten: str | None = None  # the first row whose earlier turns the chat template rewrites
    told_apart: bool = False  # whether it leaves those of some row as they are

    def examples(self) -> Iterator[Example]:
        total = len(self.split.rows)
        sizes = picture_sizes(self.split.facts)
        for index, row in enumerate(self.split.rows):
            try:
                example = self._prepared(row, next(sizes))
            except UnfitRowError as unfit:
                what = f"{self.split.place(row.where)}: {unfit}"
                self.dropped.add(Dropped(row.where, what), unfit.kind)
            except BadRowError as error:
                what = f"{self.split.place(row.where)}: {error}"
                for rows in (self.bad, self.dropped):
                    rows.add(Dropped(row.where, what), error.reason)
                if isinstance(error, RewrittenTurnsError):
                    self.rewritten = self.rewritten or self.split.place(row.where)
            else:
                self.told_apart |= sum(message.role == "assistant" for message in row.messages) > 1
                self.lengths.append(len(example.input_ids))
                self.answers.append(int((example.labels != IGNORED).sum()))
                yield example
            if index % TICK_ROWS == 0 or index + 1 == total:
                self.tick(index + 1, total)

    def judge(self, good: int) -> None:
        """Raise where rows that cannot be used end the run, or the model is to blame for them."""
        if not self.bad.total or (good and self.dataset.bad_rows == "Drop"):
            return
        if self.rewritten is not None and not self.told_apart:
            raise BadModelError(
                f"spec.model: the model's chat template rewrites earlier turns in every row of several answers, first "
                f"in {self.rewritten} of the {self.split.name} data {self.split.title}, so answers cannot be told from "
                "prompts. Use a checkpoint whose template only appends, or rows with a single answer."
            )
        raise BadDatasetError(refusal(self.split.name, self.split.title, self.bad, good))

    def _prepared(self, row: Row, sizes: Sequence[Size]) -> Example:
        allowed = self.dataset.limits.max_images
        if len(sizes) > allowed:
            raise UnfitRowError("too many images", f"{len(sizes)}, spec.dataset.limits.maxImages is {allowed}")
        try:
            return prepare_row(row, self.outlines.of(row, sizes), self.dataset, self.processor, self.family)
        except UnfitPictureError as error:
            raise UnfitRowError("unfit image", str(error)) from None


def prepare_row(row: Row, images: ImageTensors, dataset: DatasetSpec, processor: Any, family: Family) -> Example:
    """The example of one row whose processed pictures, or their outlines, are `images`.

    Raises:
        UnfitRowError: it has more tokens than `spec.dataset.limits` allows.
        BadRowError: the text itself holds the token that stands for a picture, or the chat template refuses it.
    """
    row = write_boxes(row, images, processor, family)
    rendered = render(processor, row, family)
    count = sum(1 for _ in row.pictures)
    tokens = [family.image_token_ids(processor, images, index) for index in range(count)]
    placeholder = family.placeholder_id(processor)
    input_ids, labels = _encode(rendered.text, rendered.answers, tokens, processor.tokenizer, placeholder)
    prompt_ids, _ = _encode(rendered.prompt, (), tokens, processor.tokenizer, placeholder)
    allowed = dataset.limits.max_tokens
    if len(input_ids) > allowed:
        raise UnfitRowError("too many tokens", f"{len(input_ids)}, spec.dataset.limits.maxTokens is {allowed}")
    return Example(row, torch.tensor(input_ids), torch.tensor(labels), torch.tensor(prompt_ids))


def pack_example(example: Example) -> tuple[Any, ...]:
    """What is kept of an example on disk: 32 bits a token."""
    numbers = (example.input_ids, example.labels, example.prompt_ids)
    return (example.row, *(tensor.numpy().astype(np.int32) for tensor in numbers))


def unpack_example(packed: tuple[Any, ...]) -> Example:
    """The reverse of `pack_example`."""
    row, *numbers = packed
    input_ids, labels, prompt_ids = (torch.from_numpy(array.astype(np.int64)) for array in numbers)
    return Example(row, input_ids, labels, prompt_ids)


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
        BadRowError: the text itself holds the placeholder.
    """
    # As the processors do: tokenizers write a first token that the template has not written.
    first = tokenizer.bos_token is None or not text.startswith(tokenizer.bos_token)
    encoded = tokenizer(text, add_special_tokens=first, return_offsets_mapping=True)
    found = encoded["input_ids"].count(placeholder)
    if found != len(images):
        raise BadRowError(
            "messages",
            f"{found} picture tokens for {len(images)} images; take {tokenizer.convert_ids_to_tokens(placeholder)} out "
            "of the text, pictures are placed by image_url parts alone",
            reason="picture token in text",
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
