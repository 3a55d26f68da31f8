"""Random vision-language models of a few thousand parameters, made on the spot: no test downloads weights.

`python -m support.tiny_models NAME FOLDER` (with `tests` on the Python path) writes one to look at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from support.tiny_models.deepseek_ocr2 import tiny_deepseek_ocr2
from support.tiny_models.gemma3 import tiny_gemma3
from support.tiny_models.llava import tiny_llava
from support.tiny_models.llava_next import tiny_llava_next
from support.tiny_models.llava_onevision import tiny_llava_onevision
from support.tiny_models.mllama import tiny_mllama
from support.tiny_models.phi4_multimodal import tiny_phi4_multimodal
from support.tiny_models.pixtral import tiny_mistral3, tiny_pixtral
from support.tiny_models.qwen2_5_vl import tiny_qwen2_5_vl
from support.tiny_models.qwen2_vl import tiny_qwen2_vl
from support.tiny_models.qwen3_vl import tiny_qwen3_vl, tiny_qwen3_vl_moe

TINY_MODELS: Mapping[str, Callable[[Path], Path]] = {
    "Qwen2-VL": tiny_qwen2_vl,
    "Qwen2.5-VL": tiny_qwen2_5_vl,
    "Qwen3-VL": tiny_qwen3_vl,
    "Qwen3-VL-MoE": tiny_qwen3_vl_moe,
    "DeepSeek-OCR-2": tiny_deepseek_ocr2,
    "Phi-4-multimodal": tiny_phi4_multimodal,
    "LLaVA 1.5": tiny_llava,
    "LLaVA-NeXT": tiny_llava_next,
    "LLaVA-OneVision": tiny_llava_onevision,
    "Pixtral": tiny_pixtral,
    "Mistral Small 3": tiny_mistral3,
    "Gemma 3": tiny_gemma3,
    "Llama 3.2 Vision": tiny_mllama,
}
"""By the name of the family: each writes config, weights, processor and tokenizer, loadable by `from_pretrained`."""

__all__ = ["TINY_MODELS", "tiny_qwen2_vl"]
