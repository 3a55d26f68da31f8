"""What Qwen's vision-language families share: native resolution, 2 x 2 patches to a token, multimodal positions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from visionft_trainer.families.base import Family, Linears
from visionft_trainer.families.frames import Size

if TYPE_CHECKING:
    import torch

VISION_ATTENTION = r"model\.visual\.blocks\.\d+\.attn\.(?:qkv|proj)"
LANGUAGE_ATTENTION = r"model\.language_model\.layers\.\d+\.self_attn\.(?:q|k|v|o)_proj"
LANGUAGE = Linears(
    attention=LANGUAGE_ATTENTION,
    mlp=r"model\.language_model\.layers\.\d+\.mlp\.(?:gate|up|down)_proj",
)


class Qwen(Family):
    """The common part; each generation has a vision tower of its own."""

    # By full path: a bare "visual" matches nothing, and then lm_head is quantised as well.
    keep_precision = ("model.visual", "lm_head")
    encoder_modules: tuple[str, ...] = ("model.visual.patch_embed", "model.visual.blocks")
    image_tensors = ("pixel_values", "image_grid_thw")
    max_aspect_ratio = 200  # the image processor refuses narrower pictures
    packs = True

    def bound_pixels(self, processor: Any, min_pixels: int | None, max_pixels: int | None) -> None:
        """Qwen's `shortest_edge` and `longest_edge` are pixel counts, whatever their names say."""
        size = dict(processor.image_processor.size)
        if min_pixels is not None:
            size["shortest_edge"] = min_pixels
        if max_pixels is not None:
            size["longest_edge"] = max_pixels
        size["longest_edge"] = max(size["longest_edge"], size["shortest_edge"])
        processor.image_processor.size = size

    def image_token_ids(self, processor: Any, images: Mapping[str, torch.Tensor], index: int) -> list[int]:
        """One placeholder for each `merge_size` x `merge_size` patches; `image_grid_thw` counts patches `[N, 3]`."""
        patches = int(images["image_grid_thw"][index].prod())
        return [self.placeholder_id(processor)] * (patches // processor.image_processor.merge_size**2)

    def seen_size(self, processor: Any, images: Mapping[str, torch.Tensor], index: int) -> Size | None:
        """Whole patches: the picture is scaled to them."""
        _, height, width = images["image_grid_thw"][index].tolist()
        patch = processor.image_processor.patch_size
        return width * patch, height * patch

    def text_inputs(
        self, processor: Any, input_ids: torch.Tensor, rows: Sequence[Mapping[str, torch.Tensor]]
    ) -> dict[str, torch.Tensor]:
        """1 where a token stands for a picture: the rotary positions need to know."""
        return {"mm_token_type_ids": (input_ids == self.placeholder_id(processor)).int()}

    def positions(self, processor: Any, input_ids: torch.Tensor, images: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """`[4, T]`: the place in the row, which tells packed rows apart, then M-RoPE's time, height and width.

        Words count on by one in all three; a picture's tokens stand at the time of its beginning, spread over its rows
        and columns, and what follows goes on after its longer side (arXiv 2409.12191, section 2.1).
        """
        import torch

        merge = processor.image_processor.merge_size
        grids = iter(images["image_grid_thw"].tolist() if images else [])
        is_picture = (input_ids == self.placeholder_id(processor)).tolist()
        parts: list[torch.Tensor] = []
        place = start = 0
        while place < len(is_picture):
            if is_picture[place]:
                frames, height, width = next(grids)
                height, width = height // merge, width // merge
                grid = torch.meshgrid(torch.arange(frames), torch.arange(height), torch.arange(width), indexing="ij")
                parts.append(torch.stack(grid).reshape(3, -1) + start)
                place += frames * height * width
                start += max(height, width)
            else:
                parts.append(torch.full((3, 1), start))
                place += 1
                start += 1
        return torch.cat([torch.arange(len(input_ids))[None], torch.cat(parts, dim=1)])
