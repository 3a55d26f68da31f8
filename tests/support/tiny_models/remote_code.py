"""Tiny random models that bring their own Python code along, as a ported copy of such a model would."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from support.tiny_models.deepseek_ocr2 import deepseek_tokenizer
from support.tiny_models.parts import DISTINCT, VIEW_PIXELS, text_config, vision_config, write_model
from support.tiny_models.tokenizer import byte_tokenizer

CODE = Path(__file__).parent / "remote"
PHI3_MODULE = "phi3_v"
"""Its classes begin with `Phi3V`."""
PHI3_TOKENS = ("<|endoftext|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|image|>")
PHI3_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>\n"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|image|>\n"
    "{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


def tiny_phi3_vision(folder: Path, *, seed: int = 0, layers: int = 2) -> Path:
    """Write a random Phi-3-Vision (code, config, weights, processor, tokenizer) to `folder`."""
    from support.tiny_models.remote import phi3_v

    tokenizer = byte_tokenizer(PHI3_TOKENS, eos="<|endoftext|>", pad="<|endoftext|>")
    end = tokenizer.convert_tokens_to_ids("<|end|>")
    config = phi3_v.Phi3VConfig(
        **text_config(
            tokenizer, num_hidden_layers=layers, bos_token_id=tokenizer.eos_token_id, initializer_range=DISTINCT
        ),
        img_processor=vision_config(name="clip_vision_model", num_hidden_layers=3, layer_idx=-2),
        image_token_id=tokenizer.convert_tokens_to_ids("<|image|>"),
    )
    processor = phi3_v.Phi3VProcessor(phi3_v.Phi3VImageProcessor(VIEW_PIXELS), tokenizer, chat_template=PHI3_TEMPLATE)
    _bring_along("AutoModelForCausalLM", phi3_v.Phi3VForCausalLM, config, processor)
    ends = [tokenizer.eos_token_id, end]
    return write_model(folder, phi3_v.Phi3VForCausalLM, config, processor, seed=seed, ends=ends)


def tiny_deepseek_ocr(folder: Path, *, seed: int = 0, layers: int = 2) -> Path:
    """Write a random DeepSeek-OCR (code, config, weights, processor, tokenizer) to `folder`; no chat template."""
    from support.tiny_models.remote import deepseek_ocr

    tokenizer = deepseek_tokenizer()
    config = deepseek_ocr.DeepseekOCRConfig(
        **text_config(tokenizer, num_hidden_layers=layers, num_key_value_heads=4, initializer_range=DISTINCT),
        tile_pixels=VIEW_PIXELS,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
    )
    processor = deepseek_ocr.DeepseekOCRProcessor(deepseek_ocr.DeepseekOCRImageProcessor(VIEW_PIXELS), tokenizer)
    _bring_along("AutoModel", deepseek_ocr.DeepseekOCRForCausalLM, config, processor)
    return write_model(folder, deepseek_ocr.DeepseekOCRForCausalLM, config, processor, seed=seed)


REMOTE_MODELS: Mapping[str, Callable[[Path], Path]] = {
    "DeepSeek-OCR": tiny_deepseek_ocr,
    "Phi-3-Vision": tiny_phi3_vision,
}
"""By the name of the family, as `TINY_MODELS`."""


def change(path: Path, **entries: Any) -> None:
    """Set entries of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | entries), encoding="utf-8")


def _bring_along(auto_class: str, model_class: Any, config: Any, processor: Any) -> None:
    """Have transformers copy the classes' modules beside what it saves, and name them in `auto_map`."""
    type(config).register_for_auto_class()
    model_class.register_for_auto_class(auto_class)
    type(processor).register_for_auto_class()
    type(processor.image_processor).register_for_auto_class()
