"""How large rows are, as far as memory is concerned."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from visionft_trainer.estimate.activations import Batch

if TYPE_CHECKING:
    import torch
    from visionft_api.spec import DatasetSpec

    from visionft_trainer.families import Family
    from visionft_trainer.prepare.preprocess import Prepared

LOOKED_AT = 64  # rows whose pictures are measured: half of them the longest, half spread evenly over the others
LARGEST_PIXELS = 4096 * 4096  # of the picture that stands for others where spec.dataset.image.maxPixels says nothing
SMALLEST_SIDE = 64  # pixels
SHRINK = 0.9  # of a side, from one try to the next


@dataclass(frozen=True)
class RowSize:
    """One row."""

    tokens: int
    answers: int
    """Tokens that are learnt."""
    patches: int
    """Positions in the vision encoder."""
    images: int
    """Pictures."""
    pictures: int
    """Bytes of its processed pictures."""


def worst_batch(rows: Sequence[RowSize], count: int) -> Batch:
    """The largest micro-batch of `count` rows that a random order can bring: the longest and largest rows together."""
    length = max(row.tokens for row in rows)
    shortest = min(row.tokens for row in rows)
    return Batch(
        rows=count,
        length=length,
        padded=count > 1 and shortest < length,
        answers=_most(rows, "answers", count),
        patches=_most(rows, "patches", count),
        images=_most(rows, "images", count),
        pictures=_most(rows, "pictures", count),
    )


def packed(rows: Sequence[RowSize], tokens: int) -> list[RowSize]:
    """The size of packs of at most `tokens` tokens, full of the rows that bring most of each thing for their length."""

    def most(part: str) -> int:
        return math.ceil(max(int(getattr(row, part)) * tokens / row.tokens for row in rows))

    return [RowSize(tokens, most("answers"), most("patches"), most("images"), most("pictures"))]


def _most(rows: Sequence[RowSize], part: str, count: int) -> int:
    """The sum over the `count` largest; where there are fewer rows, the largest again."""
    largest = sorted((int(getattr(row, part)) for row in rows), reverse=True)[:count]
    return sum(largest) + largest[0] * (count - len(largest))


def largest(rows: Sequence[RowSize]) -> RowSize:
    """The largest of each part, over all rows."""
    tokens, answers, patches, images, pictures = (
        max(getattr(row, part.name) for row in rows) for part in dataclasses.fields(RowSize)
    )
    return RowSize(tokens, answers, patches, images, pictures)


def largest_allowed(dataset: DatasetSpec, family: Family, processor: Any, config: Any) -> RowSize:
    """The largest row with one picture that the limits of `dataset` allow, for when the rows themselves are not there.

    The picture is a white square, as large as the bounds on pixels allow and its tokens fit into `maxTokens`.
    """
    from PIL import Image

    tokens = dataset.limits.max_tokens
    side = math.isqrt(dataset.image.max_pixels or LARGEST_PIXELS)
    while True:
        images = family.process_images(processor, [Image.new("RGB", (side, side), "white")])
        if side <= SMALLEST_SIDE or len(family.image_token_ids(processor, images, 0)) < tokens:
            break
        side = int(side * SHRINK)
    pictures = sum(tensor.nbytes for tensor in images.values())
    return RowSize(tokens, tokens, patches_of(images, config), 1, pictures)


def sizes_of(prepared: Prepared, config: Any) -> list[RowSize]:
    """Sizes of up to `LOOKED_AT` rows, the longest ones among them; `config` is the model's configuration."""
    by_length = prepared.lengths.argsort()[::-1]
    longest = by_length[: LOOKED_AT // 2]
    spread = by_length[LOOKED_AT // 2 :: max(len(by_length) // (LOOKED_AT // 2), 1)]
    return [row_size(prepared, int(index), config) for index in (*longest, *spread)]


def row_size(prepared: Prepared, index: int, config: Any) -> RowSize:
    """The size of one prepared row."""
    from visionft_trainer.prepare.preprocess import IGNORED

    example = prepared.examples[index]
    images = prepared.pictures.of(example.row)
    return RowSize(
        tokens=len(example.input_ids),
        answers=int((example.labels != IGNORED).sum()),
        patches=patches_of(images, config),
        images=sum(1 for _ in example.row.pictures),
        pictures=sum(tensor.nbytes for tensor in images.values()),
    )


def patches_of(images: Mapping[str, torch.Tensor], config: Any) -> int:
    """Positions of a row's pictures in the vision encoder: processed pixels over those of a patch."""
    vision = config.vision_config
    side = vision.patch_size
    channels = getattr(vision, "num_channels", None) or getattr(vision, "in_channels", None) or 3
    patch = int(channels * side * side * getattr(vision, "temporal_patch_size", 1))
    pixels = sum(tensor.numel() for name, tensor in images.items() if "pixel_values" in name)
    return -(-pixels // patch)
