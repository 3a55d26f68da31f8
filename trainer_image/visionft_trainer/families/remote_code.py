"""Families whose code is not part of transformers: it comes with the model, and runs only where it is trusted.

The released checkpoints' code is written for transformers of their day and does not run with today's; what does run
is a copy that somebody ported. Of such a copy is expected what transformers expects of its own models: `auto_map`
entries for the configuration, one model class and the processor, whose `image_token_id` and `replace_image_token` say
what stands for a picture. Layers are found by the authors' names and by those that transformers gives.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visionft_trainer.families.base import (
    Family,
    Linears,
    Part,
    RemoteCode,
    filled_up,
    layers_beyond,
)
from visionft_trainer.families.deepseek_ocr2 import DeepseekOcr2
from visionft_trainer.families.frames import DEEPSEEK

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

# In the order of preference; the names are those of transformers' auto classes.
MODEL_CLASSES = ("AutoModelForImageTextToText", "AutoModelForCausalLM", "AutoModel")
COUNTS = ("num_img_tokens",)  # outputs of image processors that say how many tokens a picture has
OURS_VISION = r"model\.vision_tower\.(?:\w+\.)*layers\.\d+"
# transformers' CLIP tower has lost the `vision_model` in its layers' names since the authors wrote their code.
PHI3_TOWER = r"model\.vision_embed_tokens\.img_processor\.(?:vision_model\.)?encoder\.layers"
PHI3_TOWER_LAYERS = 24  # CLIP ViT-L/14, which the authors' code builds whatever the configuration says
LANGUAGE = Linears(
    attention=r"model\.(?:language_model\.)?layers\.\d+\.self_attn\.(?:q|k|v|qkv|o)_proj",
    mlp=r"model\.(?:language_model\.)?layers\.\d+\.mlp\.(?:shared_experts\.)?(?:gate|up|gate_up|down)_proj",
)


class AutoOfTheMap:
    """Loads a model by the class that its own `auto_map` names."""

    @staticmethod
    def from_pretrained(folder: Any, **settings: Any) -> Any:
        """As transformers' classes do."""
        import transformers

        config = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
        name = next(name for name in MODEL_CLASSES if name in config["auto_map"])
        return getattr(transformers, name).from_pretrained(folder, **settings)


class RemoteFamily(Family):
    """What the families of this module share."""

    encoder_modules: tuple[str, ...]
    """By the authors' and by transformers' names; a model has some of them."""
    image_tensors = ()
    fixed_sizes = "the sizes that its own code chooses"
    max_aspect_ratio = 200  # as for most families; the code itself may refuse more
    unpacked_because = "whether a model's own code keeps rows apart by their positions is not known"
    linears: Mapping[Part, Linears]

    def model_class(self) -> Any:
        """Loads only with `trust_remote_code=True`."""
        return AutoOfTheMap

    def encoder(self, model: Any) -> list[str]:
        """Those that the model has."""
        return [name for name in self.encoder_modules if any(name == found for found, _ in model.named_modules())]

    def idle_modules(self, config: Any) -> str | None:
        """Where the configuration says which layer's output is taken, those beyond it."""
        taken = getattr(config, "vision_feature_layer", None)
        if not isinstance(taken, int):
            return None
        return layers_beyond(r"model\.vision_tower\.(?:\w+\.)*layers", config.vision_config.num_hidden_layers, taken)

    def image_token_ids(self, processor: Any, images: Mapping[str, torch.Tensor], index: int) -> list[int]:
        """What the processor would put in place of the placeholder."""
        text = processor.replace_image_token(images, index)
        return list(processor.tokenizer(text, add_special_tokens=False)["input_ids"])

    def process_images(self, processor: Any, images: Sequence[Image]) -> dict[str, torch.Tensor]:
        """What only counts tokens is kept for `image_token_ids`; the model does not get it."""
        kwargs = getattr(processor, "images_kwargs", None) or {}
        return dict(processor.image_processor(images=list(images), return_tensors="pt", **kwargs))

    def image_inputs(self, rows: Sequence[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        """All that the image processor gave but what only counts."""
        return super().image_inputs([{name: images[name] for name in images if name not in COUNTS} for images in rows])

    def levelled(self, name: str, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
        """Where pictures have different numbers of crops `[N, C, ...]`, empty ones are filled in."""
        return filled_up(tensors) if len({tensor.shape[1:] for tensor in tensors}) > 1 else tensors


class DeepseekOcr(RemoteFamily):
    """DeepSeek-OCR, the first version; the authors' release of the second one too, which needs code as well."""

    name = "DeepSeek-OCR"
    model_types = frozenset({"deepseek_vl_v2"})
    remote_code = RemoteCode(
        transformers="4.46.3", instead="DeepSeek-OCR-2 (deepseek-community/DeepSeek-OCR-2), which needs none"
    )
    keep_precision = (
        *("model.vision_tower", "model.multi_modal_projector"),
        *("model.sam_model", "model.vision_model", "model.qwen2_model", "model.projector", "lm_head"),
    )
    linears: Mapping[Part, Linears] = {
        "vision": Linears(
            attention=rf"model\.sam_model\.blocks\.\d+\.attn\.(?:qkv|proj)"
            rf"|model\.vision_model\.transformer\.layers\.\d+\.self_attn\.(?:qkv|out)_proj"
            rf"|{OURS_VISION}\.(?:attn\.(?:qkv|proj)|self_attn\.(?:q|k|v|o|out)_proj)",
            mlp=rf"model\.sam_model\.blocks\.\d+\.mlp\.(?:lin1|lin2)"
            rf"|model\.vision_model\.transformer\.layers\.\d+\.mlp\.(?:fc1|fc2)"
            rf"|{OURS_VISION}\.mlp\.(?:lin1|lin2|fc1|fc2|gate_proj|up_proj|down_proj)",
        ),
        "projector": Linears(mlp=r"model\.(?:projector\.layers|multi_modal_projector)"),
        "language": LANGUAGE,
    }
    encoder_modules = ("model.sam_model", "model.vision_model", "model.qwen2_model", "model.vision_tower")
    frame = DEEPSEEK
    plain_template = DeepseekOcr2.plain_template


class Phi3Vision(RemoteFamily):
    """Phi-3-Vision and Phi-3.5-Vision."""

    name = "Phi-3-Vision"
    model_types = frozenset({"phi3_v"})
    remote_code = RemoteCode(
        transformers="4.43.0", instead="Phi-4-multimodal in the form of transformers, which needs none"
    )
    keep_precision = ("model.vision_tower", "model.multi_modal_projector", "model.vision_embed_tokens", "lm_head")
    linears: Mapping[Part, Linears] = {
        "vision": Linears(
            attention=rf"(?:{PHI3_TOWER}\.\d+|{OURS_VISION})\.self_attn\.(?:q|k|v|out)_proj",
            mlp=rf"(?:{PHI3_TOWER}\.\d+|{OURS_VISION})\.mlp\.(?:fc1|fc2)",
        ),
        "projector": Linears(
            mlp=r"model\.(?:vision_embed_tokens\.img_projection\.(?:0|2)|multi_modal_projector\.linear_(?:1|2))"
        ),
        "language": LANGUAGE,
    }
    encoder_modules = ("model.vision_embed_tokens.img_processor", "model.vision_tower")

    def idle_modules(self, config: Any) -> str | None:
        """The authors' configuration says it elsewhere: `img_processor.layer_idx`, -2 by default."""
        tower = getattr(config, "img_processor", None)
        if not isinstance(tower, Mapping):
            return super().idle_modules(config)
        layers = tower.get("num_hidden_layers", PHI3_TOWER_LAYERS)
        return layers_beyond(PHI3_TOWER, layers, tower.get("layer_idx", -2))
