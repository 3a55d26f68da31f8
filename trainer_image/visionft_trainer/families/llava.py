"""LLaVA 1.5: a CLIP tower on one square view, its last layer but one projected into the language model.

The image processor scales the short side of a picture and cuts the middle square out: what lies beyond is never seen,
so long lines of text are for another family. The chat template takes messages as lists of parts only, the tokenizer
writes the first token, and no turn has an end: the end token is added to the last answer. The tower's last layer runs
for nothing, and gets no LoRA. Rows can share a sequence: the language model tells them apart by positions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from visionft_trainer.errors import BadModelError
from visionft_trainer.families.base import Family, Linears, Part, layers_beyond

if TYPE_CHECKING:
    import torch

# CLIP's and SigLIP's layers have the same names, and so have those of all its language models.
LLAVA_LINEARS: Mapping[Part, Linears] = {
    "vision": Linears(
        attention=r"model\.vision_tower\.encoder\.layers\.\d+\.self_attn\.(?:q|k|v|out)_proj",
        mlp=r"model\.vision_tower\.encoder\.layers\.\d+\.mlp\.(?:fc1|fc2)",
    ),
    "projector": Linears(mlp=r"model\.multi_modal_projector\.linear_(?:1|2)"),
    "language": Linears(
        attention=r"model\.language_model\.layers\.\d+\.self_attn\.(?:q|k|v|o)_proj",
        mlp=r"model\.language_model\.layers\.\d+\.mlp\.(?:gate|up|down)_proj",
    ),
}


class Llava(Family):
    """`LlavaForConditionalGeneration` with a CLIP or SigLIP tower."""

    name = "LLaVA 1.5"
    model_types = frozenset({"llava"})
    hub_names: tuple[str, ...] = ("llava-hf/llava-1.5-7b-hf", "llava-hf/llava-1.5-13b-hf")
    keep_precision = ("model.vision_tower", "model.multi_modal_projector", "lm_head")
    linears: Mapping[Part, Linears] = LLAVA_LINEARS
    encoder_modules = ("model.vision_tower",)
    image_tensors: tuple[str, ...] = ("pixel_values",)
    fixed_sizes: str = "the middle square of a picture at one size"
    max_aspect_ratio = 50  # the short side becomes 336 pixels before the middle is cut out: strips would grow huge
    packs = True
    tower_layers = r"model\.vision_tower\.encoder\.layers"

    def matches(self, config: Mapping[str, Any]) -> bool:
        """Pixtral shares the model type, not the tower."""
        return super().matches(config) and (config.get("vision_config") or {}).get("model_type") != "pixtral"

    def image_token_ids(self, processor: Any, images: Mapping[str, torch.Tensor], index: int) -> list[int]:
        """As many placeholders as the processor counts: for LLaVA 1.5 one a patch.

        Raises:
            BadModelError: the processor was saved by a version that did not count, and lacks the numbers for it.
        """
        try:
            text = processor.replace_image_token(images, index)
        except TypeError as error:
            raise BadModelError(
                "spec.model: processor_config.json lacks patch_size, num_image_tokens or another number from which a "
                f"picture's tokens are counted ({error}). Copy it from the newest revision of the model."
            ) from None
        return [self.placeholder_id(processor)] * text.count(processor.image_token)

    def idle_modules(self, config: Any) -> str | None:
        """The layers of the tower behind the last one whose output is taken."""
        layers = config.vision_config.num_hidden_layers
        taken = config.vision_feature_layer
        every = [taken] if isinstance(taken, int) else taken
        last = max(index if index >= 0 else layers + 1 + index for index in every)
        return layers_beyond(self.tower_layers, layers, last)
