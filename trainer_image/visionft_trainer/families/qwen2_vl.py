"""Qwen2-VL."""

from __future__ import annotations

from collections.abc import Mapping

from visionft_trainer.families.base import Linears, Part
from visionft_trainer.families.frames import QWEN_TOKENS
from visionft_trainer.families.qwen import LANGUAGE, VISION_ATTENTION, Qwen


class Qwen2VL(Qwen):
    """`Qwen2VLForConditionalGeneration`."""

    name = "Qwen2-VL"
    model_types = frozenset({"qwen2_vl"})
    hub_names = ("Qwen/Qwen2-VL-2B-Instruct", "Qwen/Qwen2-VL-7B-Instruct", "Qwen/Qwen2-VL-72B-Instruct")
    frame = QWEN_TOKENS
    linears: Mapping[Part, Linears] = {
        "vision": Linears(attention=VISION_ATTENTION, mlp=r"model\.visual\.blocks\.\d+\.mlp\.(?:fc1|fc2)"),
        "projector": Linears(mlp=r"model\.visual\.merger\.mlp\.(?:0|2)"),
        "language": LANGUAGE,
    }
