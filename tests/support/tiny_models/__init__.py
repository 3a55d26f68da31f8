"""Random vision-language models of a few thousand parameters, made on the spot: no test downloads weights.

`python -m support.tiny_models NAME FOLDER` (with `tests` on the Python path) writes one to look at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from support.tiny_models.deepseek_ocr2 import tiny_deepseek_ocr2
from support.tiny_models.phi4_multimodal import tiny_phi4_multimodal
from support.tiny_models.qwen2_vl import tiny_qwen2_vl

TINY_MODELS: Mapping[str, Callable[[Path], Path]] = {
    "Qwen2-VL": tiny_qwen2_vl,
    "DeepSeek-OCR-2": tiny_deepseek_ocr2,
    "Phi-4-multimodal": tiny_phi4_multimodal,
}
"""By the name of the family: each writes config, weights, processor and tokenizer, loadable by `from_pretrained`."""

__all__ = ["TINY_MODELS", "tiny_qwen2_vl"]
