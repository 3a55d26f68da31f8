"""Random vision-language models of a few thousand parameters, made on the spot: no test downloads weights.

`python -m support.tiny_models NAME FOLDER` (with `tests` on the Python path) writes one to look at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from support.tiny_models.qwen2_vl import tiny_qwen2_vl

TINY_MODELS: Mapping[str, Callable[[Path], Path]] = {"Qwen2-VL": tiny_qwen2_vl}
"""By the name of the family: each writes config, weights, processor and tokenizer, loadable by `from_pretrained`."""

__all__ = ["TINY_MODELS", "tiny_qwen2_vl"]
