"""What changes about a training row from pass to pass: its wording, and its pictures with the boxes on them.

All of it follows from (seed, epoch, row): after a resumption, in any number of processes, in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL.Image import Image
from visionft_api.spec import DatasetSpec
from visionft_api.spec.dataset import AugmentationSpec

from visionft_trainer.data.augment.changes import change, changes_row
from visionft_trainer.data.rows import Box, Boxes, Message, Part, Row, Text

STREAM = 0x5641_5259  # tells these random numbers from others that the seed gives


@dataclass(frozen=True)
class Variation:
    """What of the training rows varies."""

    seed: int
    augmentation: AugmentationSpec | None

    @classmethod
    def of(cls, dataset: DatasetSpec, seed: int, *, several_wordings: bool) -> Variation | None:
        """The variation that `dataset` and its rows ask for; None where every pass is the same."""
        return cls(seed, dataset.augmentation) if several_wordings or dataset.augmentation is not None else None

    def changes_pictures(self, epoch: int, index: int) -> bool:
        """Whether the pictures of row `index` are changed in `epoch`."""
        return _changes(_random(self.seed, epoch, index), self.augmentation)

    def vary(self, row: Row, images: Sequence[Image], epoch: int, index: int) -> tuple[Row, list[Image]]:
        """`row` as it is met in `epoch`; see the function `vary`."""
        return vary(row, images, self.seed, epoch, index, self.augmentation)


def vary(
    row: Row,
    images: Sequence[Image],
    seed: int,
    epoch: int,
    index: int,
    augmentation: AugmentationSpec | None,
) -> tuple[Row, list[Image]]:
    """Row number `index` and its pictures (upright, RGB) as they are met in `epoch`.

    One of the wordings of each text is taken, all as likely. The row comes with its own `images` unless it is one of
    those that are changed in this pass.
    """
    random = _random(seed, epoch, index)
    changes = _changes(random, augmentation)
    row = _map(row, lambda part: _worded(part, random) if isinstance(part, Text) and part.others else part)
    if augmentation is None or not changes:
        return row, list(images)
    return change_pictures(row, images, random, augmentation)


def change_pictures(
    row: Row, images: Sequence[Image], random: np.random.Generator, augmentation: AugmentationSpec
) -> tuple[Row, list[Image]]:
    """`row` with each of its `images` changed, and the boxes on them moved."""
    changed = []
    for number, image in enumerate(images):
        boxes = [part for part in _parts(row) if isinstance(part, Boxes) and part.picture == number]
        flat = tuple(box for part in boxes for box in part.boxes)
        picture, moved = change(image, flat, augmentation, random)
        changed.append(picture)
        row = _with_boxes(row, number, moved)
    return row, changed


def _random(seed: int, epoch: int, index: int) -> np.random.Generator:
    return np.random.default_rng((seed, epoch, index, STREAM))


def _changes(random: np.random.Generator, augmentation: AugmentationSpec | None) -> bool:
    """The first thing that is drawn for a row."""
    return changes_row(random, float(augmentation.strength)) if augmentation else False


def _worded(text: Text, random: np.random.Generator) -> Text:
    wordings = (text.text, *text.others)
    return Text(wordings[random.integers(len(wordings))])


def _parts(row: Row) -> list[Part]:
    return [part for message in row.messages for part in message.parts]


def _with_boxes(row: Row, picture: int, moved: Sequence[Box]) -> Row:
    """`row` with the boxes on `picture` replaced by `moved`, in their order."""
    remaining = iter(moved)

    def placed(part: Part) -> Part:
        if not isinstance(part, Boxes) or part.picture != picture:
            return part
        return replace(part, boxes=tuple(next(remaining) for _ in part.boxes))

    return _map(row, placed) if moved else row


def _map(row: Row, change_part: Callable[[Part], Part]) -> Row:
    messages: tuple[Message, ...] = tuple(
        replace(message, parts=tuple(change_part(part) for part in message.parts)) for message in row.messages
    )
    return replace(row, messages=messages)
