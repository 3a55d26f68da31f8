"""A tiny random LLaVA 1.5."""

from __future__ import annotations

from pathlib import Path

from support.tiny_models.llama_tokenizer import BOS, EOS, PAD, SPECIAL_TOKENS, llama_tokenizer

# Parts only, pictures before words, no end of a turn: as llava-hf's checkpoints have it.
CHAT_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] != 'system' %}{{ message['role'].upper() + ': ' }}{% endif %}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'image') %}<image>\n{% endfor %}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'text') %}{{ part['text'] + ' ' }}{% endfor %}"
    "{% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
VIEW_PIXELS, PATCH_PIXELS = 32, 8  # 16 patches
TEXT_WIDTH, VISION_WIDTH = 64, 32
CLIP_CONFIG = {
    "model_type": "clip_vision_model",
    "hidden_size": VISION_WIDTH,
    "intermediate_size": 64,
    "num_hidden_layers": 3,  # the last one is not used
    "num_attention_heads": 2,
    "image_size": VIEW_PIXELS,
    "patch_size": PATCH_PIXELS,
    "projection_dim": 16,
}


def llama_config(vocabulary: int, ids: dict[str, int], layers: int) -> dict[str, object]:
    """A tiny Llama."""
    return {
        "model_type": "llama",
        "vocab_size": vocabulary,
        "hidden_size": TEXT_WIDTH,
        "intermediate_size": 128,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 1024,
        "initializer_range": 0.1,  # else all rows get the same answer
        "bos_token_id": ids[BOS],
        "eos_token_id": ids[EOS],
        "pad_token_id": ids[PAD],
    }


def tiny_llava(folder: Path, *, seed: int = 0, layers: int = 2) -> Path:
    """Write a random LLaVA 1.5 (config, weights, processor, tokenizer) to `folder`."""
    import torch
    from transformers import CLIPImageProcessor, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor

    tokenizer = llama_tokenizer()
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL_TOKENS}
    config = LlavaConfig(
        text_config=llama_config(len(tokenizer), ids, layers),
        vision_config=CLIP_CONFIG,
        image_token_index=ids["<image>"],
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
    )
    torch.manual_seed(seed)
    model = LlavaForConditionalGeneration(config)
    model.generation_config.eos_token_id = ids[EOS]
    model.generation_config.pad_token_id = ids[PAD]
    model.save_pretrained(folder)
    LlavaProcessor(
        image_processor=CLIPImageProcessor(
            size={"shortest_edge": VIEW_PIXELS}, crop_size={"height": VIEW_PIXELS, "width": VIEW_PIXELS}
        ),
        tokenizer=tokenizer,
        patch_size=PATCH_PIXELS,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,  # the class token, which "default" takes away again
        chat_template=CHAT_TEMPLATE,
    ).save_pretrained(folder)
    return folder
