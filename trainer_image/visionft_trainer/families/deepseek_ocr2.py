"""DeepSeek-OCR-2: a SAM tower and a small language model as encoder, one global view and up to six tiles a picture.

Its experts are three-dimensional parameters and no linear layers: 4-bit quantisation leaves them in 16 bits, and LoRA
reaches attention, the dense MLP and the shared experts only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from visionft_trainer.families.base import Family, Linears, Part
from visionft_trainer.families.frames import DEEPSEEK

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

AUTHORS_LANGUAGE = r"(^|model\.)"  # before what transformers keeps in `language_model`


class DeepseekOcr2(Family):
    """`DeepseekOcr2ForConditionalGeneration`, the checkpoint converted for transformers."""

    name = "DeepSeek-OCR-2"
    model_types = frozenset({"deepseek_ocr2"})
    keep_precision = ("model.vision_tower", "model.multi_modal_projector", "lm_head")
    linears: Mapping[Part, Linears] = {
        "vision": Linears(
            attention=r"model\.vision_tower\.(?:sam_encoder\.layers\.\d+\.attn\.(?:qkv|proj)"
            r"|vision_encoder\.layers\.\d+\.self_attn\.(?:q|k|v|o)_proj)",
            mlp=r"model\.vision_tower\.(?:sam_encoder\.layers\.\d+\.mlp\.(?:lin1|lin2)"
            r"|vision_encoder\.layers\.\d+\.mlp\.(?:gate|up|down)_proj)",
        ),
        "projector": Linears(mlp=r"model\.multi_modal_projector"),
        "language": Linears(
            attention=r"model\.language_model\.layers\.\d+\.self_attn\.(?:q|k|v|o)_proj",
            mlp=r"model\.language_model\.layers\.\d+\.mlp\.(?:shared_experts\.)?(?:gate|up|down)_proj",
        ),
    }
    encoder_modules = ("model.vision_tower",)
    frame = DEEPSEEK
    # Of pictures without tiles there is no pixel_values_local.
    image_tensors = ("pixel_values", "pixel_values_local", "num_local_patches")
    fixed_sizes = "views of 1024 x 1024 and tiles of 768 x 768 pixels"  # its learnt queries belong to these
    max_aspect_ratio = 200  # far before the short side of the global view (1024 pixels wide) is rounded to nothing
    packs = True
    hub_names = ("deepseek-community/DeepSeek-OCR-2",)
    # The form that the authors' code calls "plain": no roles; a prompt starts with its picture on a line of its own.
    plain_template = (
        "{{ bos_token }}{% for message in messages %}"
        "{% if message['content'] is string %}{{ message['content'] }}"
        "{% else %}{% for part in message['content'] %}"
        "{% if part['type'] == 'image' %}<image>\n"
        "{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}"
        "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
    )

    def prepare_model(self, model: Any) -> None:
        """Keep transformers 5.23 from renaming the adapter's weights when PEFT loads them.

        Its renaming of the authors' `model.layers` to `model.language_model.layers` also meets the end of the new name,
        so that adapters would be loaded without their language part, and no word said.
        """
        from transformers.conversion_mapping import (
            get_checkpoint_conversion_mapping,
            register_checkpoint_conversion_mapping,
        )
        from transformers.core_model_loading import WeightRenaming

        (model_type,) = self.model_types
        mapping = get_checkpoint_conversion_mapping(model_type)  # type: ignore[no-untyped-call]
        for index, entry in enumerate(mapping):
            authors, ours = entry._original_source_patterns[0], entry._original_target_patterns[0]
            if authors.startswith(AUTHORS_LANGUAGE):
                mended = authors.replace(AUTHORS_LANGUAGE, r"(^|(?<!language_)model\.)")
                mapping[index] = WeightRenaming(mended, ours)
        register_checkpoint_conversion_mapping(model_type, mapping, overwrite=True)

    def adapter_key(self, name: str) -> str:
        """The authors' name for a language layer, which plain PEFT turns into transformers' name."""
        return name.replace(".model.language_model.", ".model.", 1)

    def process_images(self, processor: Any, images: Sequence[Image]) -> dict[str, torch.Tensor]:
        """The processor overrules the number of tiles that its image processor was saved with."""
        return dict(processor.image_processor(images=list(images), return_tensors="pt", **processor.images_kwargs))

    def image_token_ids(self, processor: Any, images: Mapping[str, torch.Tensor], index: int) -> list[int]:
        """One placeholder for each query of each view, and one for the separator; as the processor counts them."""
        edge = processor.patch_size * processor.downsample_ratio
        whole, tile = (-(-side // edge) for side in (processor.image_processor.size["height"],
                                                     processor.image_processor.tile_size))  # fmt: skip
        tiles = int(images["num_local_patches"][index])
        return [self.placeholder_id(processor)] * (whole**2 + tiles * tile**2 + 1)
