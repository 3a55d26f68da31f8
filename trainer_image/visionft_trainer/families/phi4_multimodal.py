"""Phi-4-multimodal: a SigLIP tower over a whole view and up to 36 crops. Pictures only, audio stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from visionft_trainer.families.base import Family, Linears, Part, filled_up, layers_beyond

if TYPE_CHECKING:
    import torch

MIN_SIDE = 10  # pixels; the image processor refuses pictures that are lower or narrower


class Phi4Multimodal(Family):
    """`Phi4MultimodalForCausalLM`, the checkpoint in the form of transformers, without its built-in LoRA adapters."""

    name = "Phi-4-multimodal"
    model_types = frozenset({"phi4_multimodal"})
    keep_precision = ("model.embed_tokens_extend", "lm_head")
    linears: Mapping[Part, Linears] = {
        "vision": Linears(
            attention=r"model\.embed_tokens_extend\.image_embed\.img_processor\.encoder\.layers\.\d+"
            r"\.self_attn\.(?:q|k|v|out)_proj",
            mlp=r"model\.embed_tokens_extend\.image_embed\.img_processor\.encoder\.layers\.\d+\.mlp\.(?:fc1|fc2)",
        ),
        "projector": Linears(mlp=r"model\.embed_tokens_extend\.image_embed\.img_projection_(?:up|down)"),
        "language": Linears(
            attention=r"model\.layers\.\d+\.self_attn\.(?:qkv|o)_proj",
            mlp=r"model\.layers\.\d+\.mlp\.(?:gate_up|down)_proj",
        ),
    }
    encoder_modules = ("model.embed_tokens_extend.image_embed.img_processor",)
    image_tensors = ("image_pixel_values", "image_sizes", "image_attention_mask")
    fixed_sizes = "crops of 448 x 448 pixels, as many as a picture fills"
    max_aspect_ratio = 200
    packs = True

    def model_class(self) -> Any:
        """transformers counts it among the causal language models."""
        from transformers import AutoModelForCausalLM

        return AutoModelForCausalLM

    def fits(self, width: int, height: int) -> str | None:
        """The image processor refuses what would be lower or narrower than ten pixels."""
        if min(width, height) < MIN_SIDE:
            return f"{width} x {height} pixels has a side below {MIN_SIDE} pixels; pad the picture"
        return super().fits(width, height)

    def prepare_model(self, model: Any) -> None:
        """Let patches see each other in both directions, as in the authors' own code.

        transformers 5.23 marks the tower's attention as causal and drops the mask where no patch is padding: a picture
        that fills its crops (a square one does) is then read from the top left on, unless one beside it has padding.
        """
        tower = model.model.embed_tokens_extend.image_embed.img_processor
        for layer in tower.encoder.layers:
            layer.self_attn.is_causal = False

    def idle_modules(self, config: Any) -> str | None:
        """The vision tower's layers beyond the one whose output is taken, by default the last."""
        vision = config.vision_config
        stack = r"model\.embed_tokens_extend\.image_embed\.img_processor\.encoder\.layers"
        return layers_beyond(stack, vision.num_hidden_layers, vision.feature_layer)

    def image_token_ids(self, processor: Any, images: Mapping[str, torch.Tensor], index: int) -> list[int]:
        """As many placeholders as the image processor counted."""
        return [self.placeholder_id(processor)] * int(images["num_img_tokens"][index])

    def levelled(self, name: str, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
        """`[N, C, 3, H, W]` pixels and `[N, C, P, P]` masks with the most crops C of a picture, `[N, 2]` sizes.

        What is filled in changes nothing: crops do not see each other, and the model takes as many as the sizes say.
        """
        if name == "image_sizes":
            return tensors
        return filled_up(tensors, value=1.0 if name == "image_attention_mask" else 0.0)
