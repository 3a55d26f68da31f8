"""A tiny random LLaVA-OneVision."""

from __future__ import annotations

from pathlib import Path

from support.tiny_models.parts import PATCH_PIXELS, VIEW_PIXELS, square, text_config, vision_config, write_model
from support.tiny_models.tokenizer import byte_tokenizer

# Above a given answer stands "assistant \n", above one that is asked for "assistant\n": as llava-hf has it.
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + ' ' }}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'image') %}<image>{% endfor %}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'text') %}{{ '\n' + part['text'] }}{% endfor %}"
    "<|im_end|>{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "<video>")


def tiny_llava_onevision(folder: Path, *, seed: int = 0, layers: int = 2) -> Path:
    """Write a random LLaVA-OneVision (config, weights, processor, tokenizer) to `folder`."""
    from transformers import (
        LlavaOnevisionConfig,
        LlavaOnevisionForConditionalGeneration,
        LlavaOnevisionImageProcessor,
        LlavaOnevisionProcessor,
        LlavaOnevisionVideoProcessor,
    )

    tokenizer = byte_tokenizer(SPECIAL_TOKENS, eos="<|im_end|>", pad="<|endoftext|>")
    grids = [[VIEW_PIXELS * rows, VIEW_PIXELS * columns] for rows in range(1, 5) for columns in range(1, 5)]
    config = LlavaOnevisionConfig(
        text_config=text_config(tokenizer, model_type="qwen2", num_hidden_layers=layers),
        vision_config=vision_config(model_type="siglip_vision_model", vision_use_head=False),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=grids,
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        tie_word_embeddings=False,
    )
    processor = LlavaOnevisionProcessor(
        image_processor=LlavaOnevisionImageProcessor(size=square(VIEW_PIXELS), image_grid_pinpoints=grids),
        tokenizer=tokenizer,
        video_processor=LlavaOnevisionVideoProcessor(size=square(VIEW_PIXELS)),
        num_image_tokens=(VIEW_PIXELS // PATCH_PIXELS) ** 2,
        vision_feature_select_strategy="full",
        chat_template=CHAT_TEMPLATE,
    )
    return write_model(folder, LlavaOnevisionForConditionalGeneration, config, processor, seed=seed)
