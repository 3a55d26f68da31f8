"""A tiny random Qwen2-VL."""

from __future__ import annotations

from pathlib import Path

from support.tiny_models.tokenizer import byte_tokenizer

# Chat markup of the Qwen families; every image becomes one placeholder that the processor multiplies.
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
PATCH_PIXELS = 8  # one patch is 8 x 8 pixels, and 2 x 2 patches become one token of the language model
MERGE = 2
TEXT_WIDTH, VISION_WIDTH = 64, 32


def tiny_qwen2_vl(folder: Path, *, seed: int = 0, layers: int = 2) -> Path:
    """Write a random Qwen2-VL (config, weights, processor, tokenizer) to `folder`, loadable by `from_pretrained`."""
    import torch
    from transformers import (
        Qwen2VLConfig,
        Qwen2VLForConditionalGeneration,
        Qwen2VLProcessor,
        Qwen2VLVideoProcessor,
    )
    from transformers.models.qwen2_vl import Qwen2VLImageProcessor

    tokenizer = byte_tokenizer(SPECIAL_TOKENS, eos="<|im_end|>", pad="<|endoftext|>")
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL_TOKENS}
    config = Qwen2VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": TEXT_WIDTH,
            "intermediate_size": 128,
            "num_hidden_layers": layers,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 1024,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]},
            "bos_token_id": None,
            "eos_token_id": ids["<|im_end|>"],
            "pad_token_id": ids["<|endoftext|>"],
            "tie_word_embeddings": False,
        },
        vision_config={
            "depth": 2,
            "embed_dim": VISION_WIDTH,
            "hidden_size": TEXT_WIDTH,
            "num_heads": 2,
            "mlp_ratio": 2,
            "patch_size": PATCH_PIXELS,
            "spatial_merge_size": MERGE,
            "temporal_patch_size": 1,
        },
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=False,
    )
    torch.manual_seed(seed)
    model = Qwen2VLForConditionalGeneration(config)
    model.generation_config.eos_token_id = ids["<|im_end|>"]
    model.generation_config.pad_token_id = ids["<|endoftext|>"]
    model.save_pretrained(folder)
    sizes = {"shortest_edge": (PATCH_PIXELS * MERGE) ** 2, "longest_edge": 256 * (PATCH_PIXELS * MERGE) ** 2}
    patches = {"patch_size": PATCH_PIXELS, "merge_size": MERGE, "temporal_patch_size": 1}
    Qwen2VLProcessor(
        image_processor=Qwen2VLImageProcessor(size=sizes, **patches),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(size=sizes, **patches),
        chat_template=CHAT_TEMPLATE,
    ).save_pretrained(folder)
    return folder
