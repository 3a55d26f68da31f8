"""LLaVA-OneVision: a SigLIP tower over the whole picture and a grid of tiles, scaled down where they are many.

Only the picture of a row with one is cut into tiles; several pictures in a row are seen whole, each padded to a square.
The model therefore needs to know how many pictures each row has (`batch_num_images`) beside their sizes.
The chat template writes another header above a given answer than above one that is asked for; see `chat.render`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from visionft_trainer.families.llava_next import LlavaNext

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

MAX_SIDE = 10_000  # pixels; of several pictures each is padded to a square, here of 300 MB


class LlavaOnevision(LlavaNext):
    """`LlavaOnevisionForConditionalGeneration`, for pictures (no videos)."""

    name = "LLaVA-OneVision"
    model_types = frozenset({"llava_onevision"})
    hub_names = ("llava-hf/llava-onevision-qwen2-0.5b-ov-hf", "llava-hf/llava-onevision-qwen2-7b-ov-hf")
    image_tensors = ("pixel_values", "image_sizes", "batch_num_images")

    def fits(self, width: int, height: int) -> str | None:
        """Neither strips nor pictures whose square would not fit into memory."""
        if max(width, height) > MAX_SIDE:
            return f"{width} x {height} pixels has a side above {MAX_SIDE} pixels; scale the picture down"
        return super().fits(width, height)

    def process_images(self, processor: Any, images: Sequence[Image]) -> dict[str, torch.Tensor]:
        """All pictures of a row at once: only so the image processor knows whether it is the only one."""
        return dict(processor.image_processor(images=[list(images)], return_tensors="pt"))
