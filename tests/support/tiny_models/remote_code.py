"""A tiny random model that brings its own Python code: Phi-3-Vision's `model_type` over LLaVA's classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.tiny_models.llava import tiny_llava

MODULE = "ported_phi3_v"
CODE = """
from transformers import LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor


class Phi3VConfig(LlavaConfig):
    model_type = "phi3_v"


class Phi3VForCausalLM(LlavaForConditionalGeneration):
    config_class = Phi3VConfig


class Phi3VProcessor(LlavaProcessor):
    pass
"""
CONFIG_MAP = {"AutoConfig": f"{MODULE}.Phi3VConfig", "AutoModelForCausalLM": f"{MODULE}.Phi3VForCausalLM"}
PROCESSOR_MAP = {"AutoProcessor": f"{MODULE}.Phi3VProcessor"}


def tiny_phi3_vision(folder: Path, *, code: str = CODE) -> Path:
    """Write weights, processor, tokenizer and `code`, which defines the three classes, to `folder`."""
    from transformers import LlavaForConditionalGeneration

    tiny_llava(folder)
    model = LlavaForConditionalGeneration.from_pretrained(folder)
    model.save_pretrained(folder, save_original_format=False)  # names as the classes have them, not as LLaVA's authors
    _change(folder / "config.json", model_type="phi3_v", architectures=["Phi3VForCausalLM"], auto_map=CONFIG_MAP)
    _change(folder / "processor_config.json", processor_class="Phi3VProcessor", auto_map=PROCESSOR_MAP)
    (folder / f"{MODULE}.py").write_text(code, encoding="utf-8")
    return folder


def _change(path: Path, **entries: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | entries), encoding="utf-8")
