"""Tiny random models that bring their own Python code: a `model_type` that does, over classes of transformers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.tiny_models.deepseek_ocr2 import tiny_deepseek_ocr2
from support.tiny_models.llava import tiny_llava

MODULE = "ported"


@dataclass(frozen=True)
class Ported:
    """A family's code as somebody might have ported it."""

    model_type: str
    native: Callable[[Path], Path]
    """Writes the model whose classes the code takes over."""
    stem: str
    """Of those classes' names."""
    auto_class: str

    @property
    def code(self) -> str:
        """The module: a configuration, a model and a processor."""
        return f"""
from transformers import {self.stem}Config, {self.stem}ForConditionalGeneration, {self.stem}Processor


class PortedConfig({self.stem}Config):
    model_type = "{self.model_type}"


class PortedModel({self.stem}ForConditionalGeneration):
    config_class = PortedConfig


class PortedProcessor({self.stem}Processor):
    pass
"""

    def write(self, folder: Path, code: str | None = None) -> Path:
        """Write weights, processor, tokenizer and `code` (this family's own, if None) to `folder`."""
        from transformers import AutoModelForImageTextToText

        self.native(folder)
        model = AutoModelForImageTextToText.from_pretrained(folder)
        model.save_pretrained(folder, save_original_format=False)  # names as the classes have them
        maps = {"AutoConfig": f"{MODULE}.PortedConfig", self.auto_class: f"{MODULE}.PortedModel"}
        change(folder / "config.json", model_type=self.model_type, architectures=["PortedModel"], auto_map=maps)
        processor = {"AutoProcessor": f"{MODULE}.PortedProcessor"}
        change(folder / "processor_config.json", processor_class="PortedProcessor", auto_map=processor)
        (folder / f"{MODULE}.py").write_text(self.code if code is None else code, encoding="utf-8")
        return folder


PHI3_VISION = Ported("phi3_v", tiny_llava, "Llava", "AutoModelForCausalLM")
DEEPSEEK_OCR = Ported("deepseek_vl_v2", tiny_deepseek_ocr2, "DeepseekOcr2", "AutoModel")


def change(path: Path, **entries: Any) -> None:
    """Set entries of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | entries), encoding="utf-8")
