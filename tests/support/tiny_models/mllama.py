"""A tiny random Llama 3.2 Vision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.tiny_models.parts import DISTINCT, VISION_WIDTH, square, text_config, vision_config, write_model
from support.tiny_models.tokenizer import byte_tokenizer, with_first_token

# No system prompt beside pictures; a date where there are none.
CHAT_TEMPLATE = (
    "{{ bos_token }}{% if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}"
    "{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] | trim %}"
    "{% set rest = messages[1:] %}{% else %}{% set system = '' %}{% set rest = messages %}{% endif %}"
    "{% set seen = namespace(pictures=false) %}{% for message in rest %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}{% set seen.pictures = true %}{% endif %}{% endfor %}{% endfor %}"
    "{% if seen.pictures and system %}"
    "{{ raise_exception('Prompting with images is incompatible with system messages.') }}{% endif %}"
    "{% if not seen.pictures %}{{ '<|start_header_id|>system<|end_header_id|>\n\nToday Date: ' + date_string }}"
    "{{ '\n\n' + system + '<|eot_id|>' }}{% endif %}{% for message in rest %}"
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|image|>{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
SPECIAL_TOKENS = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|finetune_right_pad_id|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<|python_tag|>",
    "<|image|>",  # the last: the output head has no row for it
)
TILE_PIXELS = 28


def tiny_mllama(folder: Path, *, seed: int = 0, layers: int = 2) -> Path:
    """Write a random Llama 3.2 Vision (config, weights, processor, tokenizer) to `folder`."""
    from transformers import (
        MllamaConfig,
        MllamaForConditionalGeneration,
        MllamaImageProcessor,
        MllamaProcessor,
    )

    tokenizer = with_first_token(
        byte_tokenizer(SPECIAL_TOKENS, eos="<|eot_id|>", pad="<|finetune_right_pad_id|>", bos_token="<|begin_of_text|>")
    )
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL_TOKENS}
    vision = vision_config(
        num_global_layers=1,
        image_size=TILE_PIXELS,
        patch_size=TILE_PIXELS // 2,
        intermediate_layers_indices=[0, 1],
        vision_output_dim=VISION_WIDTH * 3,
        initializer_range=DISTINCT,
    )
    vision["attention_heads"] = vision.pop("num_attention_heads")
    config = MllamaConfig(
        text_config=text_config(
            tokenizer,
            vocab_size=ids["<|image|>"],
            num_hidden_layers=layers,
            cross_attention_layers=[layers - 1],
            rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
            initializer_range=DISTINCT,
        ),
        vision_config=vision,
        image_token_index=ids["<|image|>"],
    )
    processor = MllamaProcessor(
        image_processor=MllamaImageProcessor(size=square(TILE_PIXELS), max_image_tiles=4),
        tokenizer=tokenizer,
        chat_template=CHAT_TEMPLATE,
    )
    ends = [ids["<|end_of_text|>"], ids["<|eot_id|>"]]
    return write_model(
        folder, MllamaForConditionalGeneration, config, processor, seed=seed, ends=ends, touch_up=_open_gates
    )


def _open_gates(model: Any) -> None:
    """Gates are zeros at first, which would hide all pictures and tiles."""
    for name, parameter in model.named_parameters():
        if name.endswith("gate"):
            parameter.data.fill_(0.5)
