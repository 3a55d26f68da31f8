"""Llama 3.2 Vision (Mllama): pictures as up to four tiles, seen through cross-attention layers of the language model.

A picture is one token, whatever its size, and that token's id lies outside the rows of the output head: it can be read
and never learnt. Which text sees which picture is said by `cross_attention_mask [B, T, pictures, tiles]`: from a
picture's token up to the next one, pictures in a row together; it follows the padding of the text. Rows with fewer
pictures than others get empty ones, whose aspect ratio has the id 0. What is visible to tokens before the first
picture, and to rows without any, is mended here (`RowsApart`): as transformers has it, it depends on the other rows.
There is no packing: the cross-attention cannot tell one row's pictures from another's.
The chat template refuses a system prompt beside pictures, and writes today's date where there are none: here always the
same date, or a resumed run would not see what it saw before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from visionft_trainer.families.base import Family, Linears, Part

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

FILLER_RATIO_ID = 0  # the aspect ratio of a picture that is not there


class Mllama(Family):
    """`MllamaForConditionalGeneration`."""

    name = "Llama 3.2 Vision"
    model_types = frozenset({"mllama"})
    hub_names = ("meta-llama/Llama-3.2-11B-Vision-Instruct", "meta-llama/Llama-3.2-90B-Vision-Instruct")
    keep_precision = ("model.vision_model", "model.multi_modal_projector", "lm_head")
    linears: Mapping[Part, Linears] = {
        "vision": Linears(
            attention=r"model\.vision_model\.(?:global_)?transformer\.layers\.\d+\.self_attn\.(?:q|k|v|o)_proj",
            mlp=r"model\.vision_model\.(?:global_)?transformer\.layers\.\d+\.mlp\.(?:fc1|fc2)",
        ),
        "projector": Linears(mlp=r"model\.multi_modal_projector"),
        "language": Linears(
            attention=r"model\.language_model\.layers\.\d+\.(?:self|cross)_attn\.(?:q|k|v|o)_proj",
            mlp=r"model\.language_model\.layers\.\d+\.mlp\.(?:gate|up|down)_proj",
        ),
    }
    encoder_modules = ("model.vision_model",)
    image_tensors = ("pixel_values", "aspect_ratio_ids", "aspect_ratio_mask")
    fixed_sizes = "up to four tiles of one size"
    feature_input = (("model.language_model",), "cross_attention_states")
    unpacked_because = "its cross-attention cannot tell the pictures of one row from those of another"
    template_variables: Mapping[str, str] = {"date_string": "26 Jul 2024"}  # the template's own where none is known

    def image_token_ids(self, processor: Any, images: Mapping[str, torch.Tensor], index: int) -> list[int]:
        """One token; the picture itself comes in through the cross-attention."""
        return [self.placeholder_id(processor)]

    def process_images(self, processor: Any, images: Sequence[Image]) -> dict[str, torch.Tensor]:
        """`pixel_values [1, N, tiles, 3, H, W]`, `aspect_ratio_ids [1, N]`, `aspect_ratio_mask [1, N, tiles]`."""
        processed = processor.image_processor(images=[list(images)], return_tensors="pt")
        return {name: processed[name] for name in self.image_tensors}

    def image_inputs(self, rows: Sequence[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        """The same with one row of the batch after another, each with the pictures of the richest; none without any."""
        import torch

        first = next((images for images in rows if images), None)
        if first is None:
            return {}
        most = max(images["pixel_values"].shape[1] for images in rows if images)
        filler = {name: torch.zeros_like(tensor[:, :1]) for name, tensor in first.items()}
        filler["aspect_ratio_ids"].fill_(FILLER_RATIO_ID)
        filler["aspect_ratio_mask"][..., 0] = 1  # as the processor has it: a tile to attend to, or nothing is defined

        def filled(images: Mapping[str, torch.Tensor], name: str) -> torch.Tensor:
            there = [images[name]] if images else []
            return torch.cat([*there, *[filler[name]] * (most - sum(part.shape[1] for part in there))], dim=1)

        return {name: torch.cat([filled(images, name) for images in rows]) for name in self.image_tensors}

    def text_inputs(
        self, processor: Any, input_ids: torch.Tensor, rows: Sequence[Mapping[str, torch.Tensor]]
    ) -> dict[str, torch.Tensor]:
        """`cross_attention_mask [B, T, pictures, tiles]`, 1 where text may see a tile; none without pictures."""
        import torch
        from transformers.models.mllama.processing_mllama import (
            convert_sparse_cross_attention_mask_to_dense,
            get_cross_attention_token_mask,
        )

        if not any(rows):
            return {}
        image_token = self.placeholder_id(processor)
        spans = [get_cross_attention_token_mask(ids, image_token) for ids in input_ids.tolist()]
        tiles = [images["aspect_ratio_mask"][0].sum(-1).tolist() if images else [] for images in rows]
        mask = convert_sparse_cross_attention_mask_to_dense(
            spans, tiles, processor.image_processor.max_image_tiles, input_ids.shape[1]
        )
        return {"cross_attention_mask": torch.from_numpy(mask)}

    def pool_features(
        self,
        processor: Any,
        given: torch.Tensor,
        input_ids: torch.Tensor,
        rows: Sequence[Mapping[str, torch.Tensor]],
        counts: Sequence[int],
    ) -> torch.Tensor:
        """`given` is `[B * most pictures * tiles, patches, D]`; tiles that a picture does not fill are left out."""
        import torch

        tiles = processor.image_processor.max_image_tiles
        states = given.float().mean(1).reshape(len(rows), -1, tiles, given.shape[-1])
        filled = [images["aspect_ratio_mask"][0].sum(-1).tolist() if images else [] for images in rows]
        pooled = [
            states[row, index, : filled[row][index]].mean(0)
            for row, count in enumerate(counts)
            for index in range(count)
        ]
        return torch.stack(pooled)

    def prepare_model(self, model: Any) -> None:
        """Make each row see its own pictures alone, as it does in a batch of its own."""
        RowsApart(model.model)


class RowsApart:
    """Hooks that keep the cross-attention of a row from depending on the other rows of its batch.

    transformers lets tokens that may see no tile (those before the first picture) attend to all tiles of the batch's
    richest row, empty pictures too, and so it does with rows without pictures, which alone would skip these layers.
    Here the former attend to all tiles of their own row's pictures, which is the same for a row alone, and the latter
    get nothing from the cross-attention. The layers' MLP is switched off for both by transformers itself.
    """

    def __init__(self, model: Any) -> None:
        self._tokens_a_picture = model.vision_model.max_num_tiles * model.vision_model.num_patches
        text = model.language_model
        text.register_forward_pre_hook(self._own_pictures, with_kwargs=True)
        for index in text.cross_attention_layers:
            text.layers[index].cross_attn.register_forward_hook(self._nothing_without_pictures, with_kwargs=True)

    def _own_pictures(self, module: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Rewrite `cross_attention_mask [B, 1, T, tokens of all pictures]` (0: visible) for tokens that see no tile."""
        import torch

        mask = kwargs.get("cross_attention_mask")
        if mask is None:
            return args, kwargs
        hidden = torch.finfo(mask.dtype).min
        sees = kwargs["full_text_row_masked_out_mask"].bool()
        seen_by_any = ((mask == 0) & sees).any(dim=2, keepdim=True)
        own = (
            seen_by_any.unflatten(-1, (-1, self._tokens_a_picture))
            .any(-1)
            .repeat_interleave(self._tokens_a_picture, -1)
        )
        instead = torch.zeros_like(own, dtype=mask.dtype).masked_fill(~own, hidden)
        return args, kwargs | {"cross_attention_mask": torch.where(sees, mask, instead)}

    @staticmethod
    def _nothing_without_pictures(module: Any, args: Any, kwargs: dict[str, Any], output: Any) -> Any:
        """Zero the attention's output `[B, T, D]` of rows whose mask hides everything."""
        mask = kwargs.get("attention_mask")
        if mask is None:
            return output
        attended, *rest = output
        pictured = (mask == 0).flatten(1).any(1)
        return (attended * pictured[:, None, None], *rest)
