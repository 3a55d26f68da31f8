"""Pixtral: LLaVA's model class around a tower that takes pictures at their own size.

A picture becomes lines of `[IMG]`, one a patch, each line ended by `[IMG_BREAK]` and the last by `[IMG_END]`; none of
the three is ever learnt. Pictures of different sizes are filled up to the largest of a batch, so the model needs their
true sizes (`image_sizes`): without them it would attend to the filling. The chat template writes a system prompt above
the last question alone; see `chat.render`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isqrt
from typing import TYPE_CHECKING, Any

from visionft_trainer.errors import BadConfigError
from visionft_trainer.families.base import Family, Linears, Part
from visionft_trainer.families.llava import LLAVA_LINEARS, Llava

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

MAX_ASPECT_RATIO = 200  # the short side of a narrower strip would vanish when its long side is reduced
MIN_EDGE = MAX_ASPECT_RATIO  # pixels that the longest side must keep, for the same reason


class Pixtral(Llava):
    """`LlavaForConditionalGeneration` with a Pixtral tower."""

    name = "Pixtral"
    hub_names = ("mistral-community/pixtral-12b",)
    linears: Mapping[Part, Linears] = {
        "vision": Linears(
            attention=r"model\.vision_tower\.transformer\.layers\.\d+\.attention\.(?:q|k|v|o)_proj",
            mlp=r"model\.vision_tower\.transformer\.layers\.\d+\.feed_forward\.(?:gate|up|down)_proj",
        ),
        "projector": LLAVA_LINEARS["projector"],
        "language": LLAVA_LINEARS["language"],
    }
    image_tensors = ("pixel_values", "image_sizes")
    max_aspect_ratio = MAX_ASPECT_RATIO
    tower_layers = r"model\.vision_tower\.transformer\.layers"

    def matches(self, config: Mapping[str, Any]) -> bool:
        """LLaVA 1.5 shares the model type, not the tower."""
        return Family.matches(self, config) and not Llava.matches(self, config)

    def bound_pixels(self, processor: Any, min_pixels: int | None, max_pixels: int | None) -> None:
        """The image processor bounds the longest side alone: `maxPixels` is reached by square pictures."""
        if min_pixels is not None:
            raise BadConfigError(
                f"spec.dataset.image.minPixels: {min_pixels}; {self.name} takes small pictures at their own size. "
                "Remove it."
            )
        if max_pixels is None:
            return
        if max_pixels < MIN_EDGE**2:
            raise BadConfigError(
                f"spec.dataset.image.maxPixels: {max_pixels}; {self.name} bounds the longest side of a picture, by the "
                f"square root of this. Set at least {MIN_EDGE**2}."
            )
        processor.image_processor.size = {"longest_edge": isqrt(max_pixels)}

    def image_token_ids(self, processor: Any, images: Mapping[str, torch.Tensor], index: int) -> list[int]:
        """Lines of `[IMG]`, one for each patch (or block of patches that the projector joins)."""
        edge = processor.patch_size * processor.spatial_merge_size
        lines, columns = (int(side) // edge for side in images["image_sizes"][index])
        line = [processor.image_token_id] * columns + [processor.image_break_token_id]
        return [*(line * lines)[:-1], processor.image_end_token_id]

    def process_images(self, processor: Any, images: Sequence[Image]) -> dict[str, torch.Tensor]:
        """Sides become multiples of what one `[IMG]` stands for; only the processor knows how much that is."""
        edge = processor.patch_size * processor.spatial_merge_size
        return dict(processor.image_processor(images=list(images), patch_size=edge, return_tensors="pt"))

    def levelled(self, name: str, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
        """`pixel_values [N, 3, H, W]` filled up to the largest picture; `image_sizes [N, 2]` are height and width."""
        from torch.nn.functional import pad

        if name != "pixel_values":
            return tensors
        height, width = (max(pixels.shape[axis] for pixels in tensors) for axis in (2, 3))
        return [pad(pixels, (0, width - pixels.shape[3], 0, height - pixels.shape[2])) for pixels in tensors]
