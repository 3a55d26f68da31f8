"""Qwen2-VL: a vision transformer at native resolution, 2 x 2 patches to a token, multimodal rotary positions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from visionft_trainer.families.base import Family, Linears, Part

if TYPE_CHECKING:
    import torch

MAX_ASPECT_RATIO = 200  # the image processor refuses narrower pictures


class Qwen2VL(Family):
    """`Qwen2VLForConditionalGeneration`."""

    name = "Qwen2-VL"
    model_types = frozenset({"qwen2_vl"})
    architectures = frozenset({"Qwen2VLForConditionalGeneration"})
    # By full path: a bare "visual" matches nothing, and then lm_head is quantised as well.
    keep_precision = ("model.visual", "lm_head")
    linears: Mapping[Part, Linears] = {
        "vision": Linears(
            attention=r"model\.visual\.blocks\.\d+\.attn\.(?:qkv|proj)",
            mlp=r"model\.visual\.blocks\.\d+\.mlp\.(?:fc1|fc2)",
        ),
        "projector": Linears(mlp=r"model\.visual\.merger\.mlp\.(?:0|2)"),
        "language": Linears(
            attention=r"model\.language_model\.layers\.\d+\.self_attn\.(?:q|k|v|o)_proj",
            mlp=r"model\.language_model\.layers\.\d+\.mlp\.(?:gate|up|down)_proj",
        ),
    }
    encoder_modules = ("model.visual.patch_embed", "model.visual.blocks")
    image_tensors = ("pixel_values", "image_grid_thw")

    def bound_pixels(self, processor: Any, min_pixels: int | None, max_pixels: int | None) -> None:
        """Qwen's `shortest_edge` and `longest_edge` are pixel counts, whatever their names say."""
        size = dict(processor.image_processor.size)
        if min_pixels is not None:
            size["shortest_edge"] = min_pixels
        if max_pixels is not None:
            size["longest_edge"] = max_pixels
        size["longest_edge"] = max(size["longest_edge"], size["shortest_edge"])
        processor.image_processor.size = size

    def fits(self, width: int, height: int) -> str | None:
        """Very narrow strips have no sensible number of patches."""
        ratio = max(width, height) / min(width, height)
        if ratio > MAX_ASPECT_RATIO:
            return f"{width} x {height} pixels is narrower than 1:{MAX_ASPECT_RATIO}; cut or pad the picture"
        return None

    def placeholder_id(self, processor: Any) -> int:
        """`<|image_pad|>`."""
        return int(processor.image_token_id)

    def image_token_ids(self, processor: Any, images: Mapping[str, torch.Tensor], index: int) -> list[int]:
        """One placeholder for each `merge_size` x `merge_size` patches; `image_grid_thw` counts patches `[N, 3]`."""
        patches = int(images["image_grid_thw"][index].prod())
        return [self.placeholder_id(processor)] * (patches // processor.image_processor.merge_size**2)

    def text_inputs(
        self,
        processor: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        rows: Sequence[Mapping[str, torch.Tensor]],
    ) -> dict[str, torch.Tensor]:
        """1 where a token stands for a picture: the rotary positions need to know."""
        return {"mm_token_type_ids": (input_ids == self.placeholder_id(processor)).int()}
