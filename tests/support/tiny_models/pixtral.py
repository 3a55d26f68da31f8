"""A tiny random Pixtral, and a tiny random Mistral Small 3 beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.tiny_models.llama_tokenizer import BOS, EOS, PAD, llama_tokenizer

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
PATCH_PIXELS = 8
TEXT_WIDTH, VISION_WIDTH = 64, 32


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
    return _save(folder, LlavaForConditionalGeneration, config, tokenizer, PIXTRAL_TEMPLATE, merge=1, seed=seed)


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
    return _save(folder, Mistral3ForConditionalGeneration, config, tokenizer, MISTRAL3_TEMPLATE, merge=2, seed=seed)


def _sub_configs(tokenizer: Any, layers: int) -> dict[str, dict[str, Any]]:
    return {
        "text_config": {
            "model_type": "mistral",
            "vocab_size": len(tokenizer),
            "hidden_size": TEXT_WIDTH,
            "intermediate_size": 128,
            "num_hidden_layers": layers,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "max_position_embeddings": 1024,
            "sliding_window": None,
            "initializer_range": 0.1,  # else all rows get the same answer
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            "tie_word_embeddings": False,
        },
        "vision_config": {
            "model_type": "pixtral",
            "hidden_size": VISION_WIDTH,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "head_dim": 16,
            "image_size": 128,
            "patch_size": PATCH_PIXELS,
            "initializer_range": 0.1,
        },
    }


def _save(folder: Path, model_class: Any, config: Any, tokenizer: Any, template: str, *, merge: int, seed: int) -> Path:
    import torch
    from transformers import PixtralImageProcessor, PixtralProcessor

    torch.manual_seed(seed)
    model = model_class(config)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    PixtralProcessor(
        image_processor=PixtralImageProcessor(
            size={"longest_edge": 128}, patch_size={"height": PATCH_PIXELS, "width": PATCH_PIXELS}
        ),
        tokenizer=tokenizer,
        patch_size=PATCH_PIXELS,
        spatial_merge_size=merge,
        chat_template=template,
    ).save_pretrained(folder)
    return folder
