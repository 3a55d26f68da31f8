"""A tiny random Llama 3.2 Vision."""

from __future__ import annotations

from pathlib import Path

from support.tiny_models.llama_tokenizer import with_first_token
from support.tiny_models.tokenizer import byte_tokenizer

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
TILE_PIXELS, PATCH_PIXELS = 28, 14
TEXT_WIDTH, VISION_WIDTH = 64, 32


def tiny_mllama(folder: Path, *, seed: int = 0, layers: int = 2) -> Path:
    """Write a random Llama 3.2 Vision (config, weights, processor, tokenizer) to `folder`."""
    import torch
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
    config = MllamaConfig(
        text_config={
            "vocab_size": ids["<|image|>"],
            "hidden_size": TEXT_WIDTH,
            "intermediate_size": 128,
            "num_hidden_layers": layers,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "cross_attention_layers": [layers - 1],
            "max_position_embeddings": 1024,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
            "initializer_range": 0.1,  # else all rows get the same answer
            "bos_token_id": ids["<|begin_of_text|>"],
            "eos_token_id": ids["<|eot_id|>"],
            "pad_token_id": ids["<|finetune_right_pad_id|>"],
        },
        vision_config={
            "hidden_size": VISION_WIDTH,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_global_layers": 1,
            "attention_heads": 2,
            "image_size": TILE_PIXELS,
            "patch_size": PATCH_PIXELS,
            "intermediate_layers_indices": [0, 1],
            "vision_output_dim": VISION_WIDTH * 3,
            "initializer_range": 0.1,
        },
        image_token_index=ids["<|image|>"],
    )
    torch.manual_seed(seed)
    model = MllamaForConditionalGeneration(config)
    for name, parameter in model.named_parameters():
        if name.endswith("gate"):  # zeros, which would hide all pictures and tiles
            parameter.data.fill_(0.5)
    model.generation_config.eos_token_id = [ids["<|end_of_text|>"], ids["<|eot_id|>"]]
    model.generation_config.pad_token_id = ids["<|finetune_right_pad_id|>"]
    model.save_pretrained(folder)
    MllamaProcessor(
        image_processor=MllamaImageProcessor(size={"height": TILE_PIXELS, "width": TILE_PIXELS}, max_image_tiles=4),
        tokenizer=tokenizer,
        chat_template=CHAT_TEMPLATE,
    ).save_pretrained(folder)
    return folder
