"""A tiny random LLaVA-NeXT."""

from __future__ import annotations

from pathlib import Path

from support.tiny_models.llava import CLIP
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

# Mistral's instructions, for parts only; what ends a turn is misspelt in llava-v1.6-mistral-7b-hf and no token.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ '<<SYS>>\n' + message['content'][0]['text'] + '\n<</SYS>>\n\n' }}"
    "{% elif message['role'] == 'user' %}[INST] "
    "{% for part in message['content'] | selectattr('type', 'equalto', 'image') %}<image>\n{% endfor %}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'text') %}{{ part['text'] }}{% endfor %} [/INST]"
    "{% else %}{{ ' ' + message['content'][0]['text'] + '<\\\\s> ' }}{% endif %}{% endfor %}"
)


def tiny_llava_next(folder: Path, *, seed: int = 0, layers: int = 2) -> Path:
    """Write a random LLaVA-NeXT (config, weights, processor, tokenizer) to `folder`."""
    from transformers import (
        LlavaNextConfig,
        LlavaNextForConditionalGeneration,
        LlavaNextImageProcessor,
        LlavaNextProcessor,
    )

    tokenizer = llama_tokenizer()
    grids = [[VIEW_PIXELS * rows, VIEW_PIXELS * columns] for rows, columns in ((1, 2), (2, 1), (2, 2), (3, 1), (1, 3))]
    config = LlavaNextConfig(
        text_config=text_config(tokenizer, model_type="llama", num_hidden_layers=layers, initializer_range=DISTINCT),
        vision_config=vision_config(**CLIP),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=grids,
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
    )
    processor = LlavaNextProcessor(
        image_processor=LlavaNextImageProcessor(
            size={"shortest_edge": VIEW_PIXELS}, crop_size=square(VIEW_PIXELS), image_grid_pinpoints=grids
        ),
        tokenizer=tokenizer,
        patch_size=PATCH_PIXELS,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT_TEMPLATE,
    )
    return write_model(folder, LlavaNextForConditionalGeneration, config, processor, seed=seed)
