"""The model families that can be trained, one small module each.

A new family is one module with one `Family` and one line in `FAMILIES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from visionft_trainer.families.base import Family
from visionft_trainer.families.deepseek_ocr2 import DeepseekOcr2
from visionft_trainer.families.gemma3 import Gemma3
from visionft_trainer.families.llava import Llava
from visionft_trainer.families.llava_next import LlavaNext
from visionft_trainer.families.llava_onevision import LlavaOnevision
from visionft_trainer.families.mistral3 import Mistral3
from visionft_trainer.families.mllama import Mllama
from visionft_trainer.families.phi4_multimodal import Phi4Multimodal
from visionft_trainer.families.pixtral import Pixtral
from visionft_trainer.families.qwen2_5_vl import Qwen25VL
from visionft_trainer.families.qwen2_vl import Qwen2VL
from visionft_trainer.families.qwen3_vl import Qwen3VL, Qwen3VLMoe
from visionft_trainer.families.remote_code import DeepseekOcr, Phi3Vision

FAMILIES: tuple[Family, ...] = (
    Qwen2VL(),
    Qwen25VL(),
    Qwen3VL(),
    Qwen3VLMoe(),
    DeepseekOcr2(),
    Phi4Multimodal(),
    Llava(),
    LlavaNext(),
    LlavaOnevision(),
    Pixtral(),
    Mistral3(),
    Gemma3(),
    Mllama(),
)
REMOTE_FAMILIES: tuple[Family, ...] = (DeepseekOcr(), Phi3Vision())
"""Those whose code comes with the model."""

__all__ = ["FAMILIES", "REMOTE_FAMILIES", "Family", "find_family"]


def find_family(config: Mapping[str, Any]) -> Family | None:
    """The family that the contents of a `config.json` belong to, or None."""
    return next((family for family in (*FAMILIES, *REMOTE_FAMILIES) if family.matches(config)), None)
