"""Qwen2.5-VL: most layers of its vision tower look at windows, a few at the whole picture."""

from __future__ import annotations

from collections.abc import Mapping

from visionft_trainer.families.base import Linears, Part
from visionft_trainer.families.frames import PIXELS
from visionft_trainer.families.qwen import LANGUAGE, VISION_ATTENTION, Qwen


class Qwen25VL(Qwen):
    """`Qwen2_5_VLForConditionalGeneration`."""

    name = "Qwen2.5-VL"
    model_types = frozenset({"qwen2_5_vl"})
    hub_names = (
        "Qwen/Qwen2.5-VL-3B-Instruct",
        "Qwen/Qwen2.5-VL-7B-Instruct",
        "Qwen/Qwen2.5-VL-32B-Instruct",
        "Qwen/Qwen2.5-VL-72B-Instruct",
    )
    frame = PIXELS
    linears: Mapping[Part, Linears] = {
        "vision": Linears(attention=VISION_ATTENTION, mlp=r"model\.visual\.blocks\.\d+\.mlp\.(?:gate|up|down)_proj"),
        "projector": Linears(mlp=r"model\.visual\.merger\.mlp\.(?:0|2)"),
        "language": LANGUAGE,
    }
