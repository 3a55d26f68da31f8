"""Qwen3-VL: features of several depths of the vision tower enter the first language layers (DeepStack)."""

from __future__ import annotations

from collections.abc import Mapping

from visionft_trainer.families.base import Linears, Part
from visionft_trainer.families.qwen import LANGUAGE, LANGUAGE_ATTENTION, VISION_ATTENTION, Qwen

VISION = Linears(attention=VISION_ATTENTION, mlp=r"model\.visual\.blocks\.\d+\.mlp\.linear_(?:fc1|fc2)")
PROJECTOR = Linears(mlp=r"model\.visual\.(?:merger|deepstack_merger_list\.\d+)\.linear_(?:fc1|fc2)")
ENCODER_MODULES = ("model.visual.patch_embed", "model.visual.pos_embed", "model.visual.blocks")


class Qwen3VL(Qwen):
    """`Qwen3VLForConditionalGeneration`: the dense models."""

    name = "Qwen3-VL"
    model_types = frozenset({"qwen3_vl"})
    hub_names = (
        "Qwen/Qwen3-VL-2B-Instruct",
        "Qwen/Qwen3-VL-4B-Instruct",
        "Qwen/Qwen3-VL-8B-Instruct",
        "Qwen/Qwen3-VL-32B-Instruct",
    )
    encoder_modules = ENCODER_MODULES
    linears: Mapping[Part, Linears] = {"vision": VISION, "projector": PROJECTOR, "language": LANGUAGE}


class Qwen3VLMoe(Qwen):
    """`Qwen3VLMoeForConditionalGeneration`.

    The experts of a layer are two 3-D parameters, not linear layers: neither LoRA nor bitsandbytes reaches them, so
    they stay frozen and in 16 bits.
    """

    name = "Qwen3-VL-MoE"
    model_types = frozenset({"qwen3_vl_moe"})
    hub_names = ("Qwen/Qwen3-VL-30B-A3B-Instruct", "Qwen/Qwen3-VL-235B-A22B-Instruct")
    encoder_modules = ENCODER_MODULES
    linears: Mapping[Part, Linears] = {
        "vision": VISION,
        "projector": PROJECTOR,
        "language": Linears(attention=LANGUAGE_ATTENTION),
    }
