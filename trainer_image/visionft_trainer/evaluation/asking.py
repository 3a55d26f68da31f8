"""The ways in which a model is asked the measured rows. Each is a list of examples that are made when they are met."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from PIL import Image
from visionft_api.spec import DatasetSpec

from visionft_trainer.data.images import read_bytes
from visionft_trainer.data.rows import BadRowError, Row
from visionft_trainer.evaluation import alternatives
from visionft_trainer.evaluation.exchange import exchange
from visionft_trainer.families import Family
from visionft_trainer.prepare.pictures import ImageTensors, Size, UnfitPictureError
from visionft_trainer.prepare.preprocess import Example, Prepared, UnfitRowError, prepare_row

GREY = (128, 128, 128)
NO_LIMIT = 2**30  # tokens; other wordings and pictures may make a measured row a little longer than a training row
KNOWN_BLANKS = 64  # processed grey pictures that are remembered


@dataclass(frozen=True)
class Asking:
    """One way of asking."""

    name: str
    """Of its file."""
    examples: Sequence[Example]
    prepared: Prepared
    """Whose pictures they have, where they do not bring their own."""
    lengths: Sequence[int]
    """About the tokens of each."""
    title: str = ""
    """How reports call it."""
    prompt: str | None = None
    """The other wording, where it is one."""
    note: str | None = None
    """What a person should know of it."""


class Made(Sequence[Example]):
    """Examples that are made one by one."""

    def __init__(self, count: int, make: Callable[[int], Example]) -> None:
        self._count = count
        self._make = make

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        """Example number `index`."""
        if not 0 <= index < self._count:
            raise IndexError(index)
        return self._make(index)


@dataclass(frozen=True)
class Asker:
    """Makes the ways of asking one set of rows."""

    prepared: Prepared
    count: int
    """The rows that are measured: so many of the first."""
    dataset: DatasetSpec
    processor: Any
    family: Family
    seed: int

    def row(self, index: int) -> Row:
        """A measured row."""
        return self.prepared.examples[index].row

    def plain(self, name: str = "plain") -> Asking:
        """As the rows ask."""
        return Asking(name, self.prepared.examples[: self.count], self.prepared, self._lengths())

    def reworded(self, prompt: str, number: int) -> Asking:
        """With another wording, the `number`th of the manifest."""

        def make(index: int) -> Example:
            row = alternatives.reworded(self.row(index), prompt)
            return self._example(row, self.prepared.pictures.of(row))

        title = f"prompt {number}"
        return Asking(f"prompt-{number}", Made(self.count, make), self.prepared, self._lengths(), title, prompt)

    def with_examples(self, train: Prepared, count: int) -> Asking | None:
        """After `count` answered training rows. Rows beside which not all of them fit get fewer; None: all get none.

        Raises `BadRowError` where the chat template takes no earlier turns of this kind.
        """
        chosen = alternatives.draw_shots(len(train.examples), count, self.seed)
        shots = [self._carrying(train, train.examples[index].row) for index in chosen]
        sizes = [(int(train.lengths[index]), sum(1 for _ in train.examples[index].row.pictures)) for index in chosen]
        limits = self.dataset.limits
        room = [
            alternatives.shots_that_fit(
                int(self.prepared.lengths[index]),
                sum(1 for _ in self.row(index).pictures),
                sizes,
                limits.max_tokens,
                limits.max_images,
            )
            for index in range(self.count)
        ]
        if not any(room):
            return None

        def make(index: int) -> Example:
            row = alternatives.with_examples(self._carrying(self.prepared, self.row(index)), shots[: room[index]])
            return self._example(row, self.prepared.pictures.process(self.prepared.pictures.open(row)))

        make(0)
        lengths = [
            length + sum(tokens for tokens, _ in sizes[:fit]) for length, fit in zip(self._lengths(), room, strict=True)
        ]
        short = sum(fit < len(shots) for fit in room)
        note = (
            f"{short} of {self.count} rows were shown fewer than {len(shots)} examples: more do not fit "
            f"spec.dataset.limits (maxTokens {limits.max_tokens}, maxImages {limits.max_images})."
            if short
            else None
        )
        title = f"{len(shots)} example{'' if len(shots) == 1 else 's'}"
        return Asking("examples", Made(self.count, make), self.prepared, lengths, title, note=note)

    def pictured(self, most: int) -> dict[int, int]:
        """The first `most` rows that have pictures, each with another row whose pictures can take their place."""
        rows = [index for index in range(self.count) if any(True for _ in self.row(index).pictures)][:most]
        sources = [[picture.source for picture in self.row(index).pictures] for index in rows]
        return {rows[row]: rows[giver] for row, giver in sorted(exchange(sources, self.seed).items())}

    def chosen(self, rows: Sequence[int], name: str) -> Asking:
        """Some of the rows, as they ask."""
        examples = Made(len(rows), lambda place: self.prepared.examples[rows[place]])
        return Asking(name, examples, self.prepared, self._lengths(rows))

    def shuffled(self, givers: dict[int, int]) -> Asking:
        """With the pictures of other rows."""
        rows = list(givers)

        def make(place: int) -> Example:
            return self._example(self.row(rows[place]), self.prepared.pictures.of(self.row(givers[rows[place]])))

        return Asking("shuffled", Made(len(rows), make), self.prepared, self._lengths(rows))

    def blank(self, rows: Sequence[int]) -> Asking:
        """With uniform grey pictures of the same sizes."""
        pictures = self.prepared.pictures

        @lru_cache(KNOWN_BLANKS)
        def grey(sizes: tuple[Size, ...]) -> ImageTensors:
            return pictures.process([Image.new("RGB", size, GREY) for size in sizes])

        def make(place: int) -> Example:
            row = self.row(rows[place])
            return self._example(row, grey(tuple(image.size for image in pictures.open(row))))

        return Asking("blank", Made(len(rows), make), self.prepared, self._lengths(rows))

    def _lengths(self, rows: Sequence[int] | None = None) -> list[int]:
        return [int(self.prepared.lengths[index]) for index in (range(self.count) if rows is None else rows)]

    def _carrying(self, prepared: Prepared, row: Row) -> Row:
        rules = prepared.pictures.rules
        return alternatives.carrying(row, [read_bytes(picture, rules) for picture in row.pictures])

    def _example(self, row: Row, images: ImageTensors) -> Example:
        limits = self.dataset.limits.model_copy(update={"max_tokens": NO_LIMIT})
        dataset = self.dataset.model_copy(update={"limits": limits})
        return replace(prepare_row(row, images, dataset, self.processor, self.family), images=images)


REFUSALS = (BadRowError, UnfitRowError, UnfitPictureError)
"""What `Asker.with_examples` raises where a family takes no such conversation."""
