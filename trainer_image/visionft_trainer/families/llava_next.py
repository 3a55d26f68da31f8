"""LLaVA-NeXT (1.6): a CLIP tower on the whole picture and on up to four tiles of it.

The tiles form the grid that suits the picture's shape best. Their features are put together again, the padding around
the picture is cut away, and a newline ends each line of patches: the number of tokens follows from the picture's own
width and height (`image_sizes`), which the model therefore needs too. Pictures with fewer tiles than others in a batch
are filled up with empty ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from visionft_trainer.families.base import refuse_pixel_bounds
from visionft_trainer.families.llava import Llava

if TYPE_CHECKING:
    from typing import Any

    import torch


class LlavaNext(Llava):
    """`LlavaNextForConditionalGeneration`."""

    name = "LLaVA-NeXT"
    model_types = frozenset({"llava_next"})
    hub_names = (
        "llava-hf/llava-v1.6-mistral-7b-hf",
        "llava-hf/llava-v1.6-vicuna-7b-hf",
        "llava-hf/llama3-llava-next-8b-hf",
    )
    image_tensors = ("pixel_values", "image_sizes")

    def bound_pixels(self, processor: Any, min_pixels: int | None, max_pixels: int | None) -> None:
        """The grids are part of the model; nothing can be bounded."""
        refuse_pixel_bounds(
            self.name, "tiles of one size, in the grid nearest a picture's shape", min_pixels, max_pixels
        )

    def image_inputs(self, rows: Sequence[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        """`pixel_values [N, tiles, 3, H, W]`, filled up to the most tiles of a picture, and the tensors beside them."""
        return super().image_inputs(fill_tiles(rows))


def fill_tiles(rows: Sequence[Mapping[str, torch.Tensor]]) -> list[dict[str, torch.Tensor]]:
    """The rows with as many tiles in each `pixel_values [N, tiles, ...]` as in the largest; added tiles are zero."""
    from torch.nn.functional import pad

    rows = [images for images in rows if images]
    most = max((images["pixel_values"].shape[1] for images in rows), default=0)
    return [
        {
            **images,
            "pixel_values": pad(images["pixel_values"], (0, 0) * 3 + (0, most - images["pixel_values"].shape[1])),
        }
        for images in rows
    ]
