"""A tiny random LLaVA 1.5."""

from __future__ import annotations

from pathlib import Path

from support.tiny_models.parts import (
    DISTINCT,
    PATCH_PIXELS,
    VIEW_PIXELS,
    square,
    text_config,
    vision_config,
    write_model,
)
from support.tiny_models.tokenizer import llama_tokenizer

# Parts only, pictures before words, no end of a turn: as llava-hf's checkpoints have it.
CHAT_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] != 'system' %}{{ message['role'].upper() + ': ' }}{% endif %}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'image') %}<image>\n{% endfor %}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'text') %}{{ part['text'] + ' ' }}{% endfor %}"
    "{% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
CLIP = {"model_type": "clip_vision_model", "num_hidden_layers": 3, "projection_dim": 16}
"""Of its three layers the last one is not used."""


def tiny_llava(folder: Path, *, seed: int = 0, layers: int = 2) -> Path:
    """Write a random LLaVA 1.5 (config, weights, processor, tokenizer) to `folder`."""
    from transformers import CLIPImageProcessor, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor

    tokenizer = llama_tokenizer()
    config = LlavaConfig(
        text_config=text_config(tokenizer, model_type="llama", num_hidden_layers=layers, initializer_range=DISTINCT),
        vision_config=vision_config(**CLIP),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
    )
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessor(size={"shortest_edge": VIEW_PIXELS}, crop_size=square(VIEW_PIXELS)),
        tokenizer=tokenizer,
        patch_size=PATCH_PIXELS,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,  # the class token, which "default" takes away again
        chat_template=CHAT_TEMPLATE,
    )
    return write_model(folder, LlavaForConditionalGeneration, config, processor, seed=seed)
