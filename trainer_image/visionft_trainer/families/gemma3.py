"""Gemma 3: a SigLIP tower on the whole picture at one square size, always the same number of tokens.

A picture's tokens see one another in both directions. The model learns where they are from `token_type_ids` alone:
without them it runs, and trains, with plain causal attention. The processor writes two line breaks before and behind
each picture, and the tokenizer has tokens of its own for runs of line breaks, so they must stand in the text before it
is split. Pan and scan (crops of wide pictures) is off, as it is by default. The projector is one matrix and no linear
layer: LoRA does not reach it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from visionft_trainer.families.base import Family, Linears, Part
from visionft_trainer.families.llava import LLAVA_LINEARS

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image


class Gemma3(Family):
    """`Gemma3ForConditionalGeneration`."""

    name = "Gemma 3"
    model_types = frozenset({"gemma3"})
    hub_names = ("google/gemma-3-4b-it", "google/gemma-3-12b-it", "google/gemma-3-27b-it")
    keep_precision = ("model.vision_tower", "model.multi_modal_projector", "lm_head")
    linears: Mapping[Part, Linears] = {**LLAVA_LINEARS, "projector": Linears()}
    encoder_modules = ("model.vision_tower",)
    image_tensors = ("pixel_values",)
    fixed_sizes = "the whole picture at one square size"
    unpacked_because = "transformers does not look at its positions when it says which tokens see each other"

    def placeholder_id(self, processor: Any) -> int:
        """`<start_of_image>`: the soft tokens behind it are written by the processor alone."""
        return int(processor.tokenizer.boi_token_id)

    def feature_id(self, processor: Any) -> int:
        """The soft tokens."""
        return int(processor.tokenizer.image_token_id)

    def spaced(self, processor: Any, text: str) -> str:
        """Two line breaks before and behind each picture."""
        tokenizer = processor.tokenizer
        if tokenizer.image_token in text:
            raise ValueError(
                f"the text holds {tokenizer.image_token}, which stands for a part of a picture; take it out"
            )
        return text.replace(tokenizer.boi_token, f"\n\n{tokenizer.boi_token}\n\n")

    def image_token_ids(self, processor: Any, images: Mapping[str, torch.Tensor], index: int) -> list[int]:
        """The soft tokens between their start and their end."""
        tokenizer = processor.tokenizer
        soft = [tokenizer.image_token_id] * processor.image_seq_length
        return [tokenizer.boi_token_id, *soft, tokenizer.eoi_token_id]

    def process_images(self, processor: Any, images: Sequence[Image]) -> dict[str, torch.Tensor]:
        """`pixel_values [N, 3, H, W]`, one view a picture."""
        processed = processor.image_processor(images=list(images), do_pan_and_scan=False, return_tensors="pt")
        return {name: processed[name] for name in self.image_tensors}

    def text_inputs(
        self, processor: Any, input_ids: torch.Tensor, rows: Sequence[Mapping[str, torch.Tensor]]
    ) -> dict[str, torch.Tensor]:
        """1 where a token is part of a picture, also where the batch has none: as the processor does."""
        return {"token_type_ids": (input_ids == processor.tokenizer.image_token_id).long()}
