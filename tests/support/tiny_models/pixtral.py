"""A tiny random Pixtral, and a tiny random Mistral Small 3 beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.tiny_models.parts import DISTINCT, PATCH_PIXELS, square, text_config, vision_config, write_model
from support.tiny_models.tokenizer import BOS, EOS, PAD, llama_tokenizer

SPECIAL_TOKENS = (
    "<unk>",
    BOS,
    EOS,
    "[INST]",
    "[/INST]",
    "[IMG]",
    PAD,
    "[IMG_BREAK]",
    "[IMG_END]",
    "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]",
)
TURNS = (
    "{% if message['role'] == 'user' %}[INST]"
    "{% if loop.last and system is defined %}{{ system + '\n\n' }}{% endif %}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}[IMG]{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}[/INST]"
    "{% elif message['content'] is string %}{{ message['content'] + eos_token }}"
    "{% else %}{{ message['content'][0]['text'] + eos_token }}{% endif %}{% endfor %}"
)
# Pixtral: a system prompt stands in the last question, and only while it is not answered.
PIXTRAL_TEMPLATE = (
    "{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] %}{% set rest = messages[1:] %}"
    "{% else %}{% set rest = messages %}{% endif %}{{ bos_token }}{% for message in rest %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('After the optional system message, conversation roles must alternate') }}{% endif %}" + TURNS
)
MISTRAL3_TEMPLATE = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}"
    "{{ '[SYSTEM_PROMPT]' + messages[0]['content'] + '[/SYSTEM_PROMPT]' }}"
    "{% else %}{% set rest = messages %}{% endif %}{% for message in rest %}" + TURNS
)
LARGEST = 128
"""Pixels of a picture's longest side."""


def tiny_pixtral(folder: Path, *, seed: int = 0, layers: int = 2) -> Path:
    """Write a random Pixtral (config, weights, processor, tokenizer) to `folder`."""
    from transformers import LlavaConfig, LlavaForConditionalGeneration

    tokenizer = llama_tokenizer(SPECIAL_TOKENS)
    config = LlavaConfig(
        **_sub_configs(tokenizer, layers),
        image_token_index=tokenizer.convert_tokens_to_ids("[IMG]"),
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
    )
    processor = _processor(tokenizer, PIXTRAL_TEMPLATE, merge=1)
    return write_model(folder, LlavaForConditionalGeneration, config, processor, seed=seed)


def tiny_mistral3(folder: Path, *, seed: int = 0, layers: int = 2) -> Path:
    """Write a random Mistral Small 3 (config, weights, processor, tokenizer) to `folder`."""
    from transformers import Mistral3Config, Mistral3ForConditionalGeneration

    tokenizer = llama_tokenizer(SPECIAL_TOKENS)
    config = Mistral3Config(
        **_sub_configs(tokenizer, layers),
        image_token_index=tokenizer.convert_tokens_to_ids("[IMG]"),
        vision_feature_layer=-1,
        spatial_merge_size=2,
    )
    processor = _processor(tokenizer, MISTRAL3_TEMPLATE, merge=2)
    return write_model(folder, Mistral3ForConditionalGeneration, config, processor, seed=seed)


def _sub_configs(tokenizer: Any, layers: int) -> dict[str, dict[str, Any]]:
    text = text_config(
        tokenizer,
        model_type="mistral",
        num_hidden_layers=layers,
        head_dim=16,
        sliding_window=None,
        initializer_range=DISTINCT,
        tie_word_embeddings=False,
    )
    vision = vision_config(model_type="pixtral", head_dim=16, image_size=LARGEST, initializer_range=DISTINCT)
    return {"text_config": text, "vision_config": vision}


def _processor(tokenizer: Any, template: str, *, merge: int) -> Any:
    from transformers import PixtralImageProcessor, PixtralProcessor

    return PixtralProcessor(
        image_processor=PixtralImageProcessor(size={"longest_edge": LARGEST}, patch_size=square(PATCH_PIXELS)),
        tokenizer=tokenizer,
        patch_size=PATCH_PIXELS,
        spatial_merge_size=merge,
        chat_template=template,
    )
