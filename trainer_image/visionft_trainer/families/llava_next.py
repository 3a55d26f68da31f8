"""LLaVA-NeXT (1.6): a CLIP tower on the whole picture and on up to four tiles of it.

The tiles form the grid that suits the picture's shape best. Their features are put together again, the padding around
the picture is cut away, and a newline ends each line of patches: the number of tokens follows from the picture's own
width and height (`image_sizes`), which the model therefore needs too. Pictures with fewer tiles than others in a batch
are filled up with empty ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from visionft_trainer.families.base import filled_up
from visionft_trainer.families.llava import Llava

if TYPE_CHECKING:
    import torch


class LlavaNext(Llava):
    """`LlavaNextForConditionalGeneration`."""

    name = "LLaVA-NeXT"
    model_types = frozenset({"llava_next"})
    hub_names: tuple[str, ...] = (
        "llava-hf/llava-v1.6-mistral-7b-hf",
        "llava-hf/llava-v1.6-vicuna-7b-hf",
        "llava-hf/llama3-llava-next-8b-hf",
    )
    image_tensors: tuple[str, ...] = ("pixel_values", "image_sizes")
    fixed_sizes = "tiles of one size, in the grid nearest a picture's shape"

    def levelled(self, name: str, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
        """`pixel_values [N, tiles, 3, H, W]` with the most tiles of a picture; added ones are empty."""
        return filled_up(tensors) if name == "pixel_values" else tensors
