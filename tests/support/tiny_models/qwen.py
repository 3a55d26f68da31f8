"""What the tiny Qwen models share: tokens, chat template, text model and processor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.tiny_models.parts import PATCH_PIXELS, text_config, write_model
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
MERGE = 2  # 2 x 2 patches become one token of the language model


def qwen_tokenizer() -> Any:
    """Bytes and the families' special tokens."""
    return byte_tokenizer(SPECIAL_TOKENS, eos="<|im_end|>", pad="<|endoftext|>")


def qwen_text(tokenizer: Any, **settings: Any) -> dict[str, Any]:
    """The language model's configuration."""
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}
    return text_config(tokenizer, **{"rope_parameters": rope, "tie_word_embeddings": False, **settings})


def token_ids(tokenizer: Any) -> dict[str, Any]:
    """The tokens that a whole model's configuration names."""
    names = {
        "image_token_id": "<|image_pad|>",
        "video_token_id": "<|video_pad|>",
        "vision_start_token_id": "<|vision_start|>",
        "vision_end_token_id": "<|vision_end|>",
    }
    return {name: tokenizer.convert_tokens_to_ids(token) for name, token in names.items()} | {
        "tie_word_embeddings": False
    }


def save_qwen(
    folder: Path, model_class: Any, config: Any, processor_class: Any, video_class: Any, tokenizer: Any, seed: int
) -> Path:
    """Write random weights, the processor and the tokenizer to `folder`."""
    from transformers.models.qwen2_vl import Qwen2VLImageProcessor

    sizes = {"shortest_edge": (PATCH_PIXELS * MERGE) ** 2, "longest_edge": 256 * (PATCH_PIXELS * MERGE) ** 2}
    patches = {
        "patch_size": PATCH_PIXELS,
        "merge_size": MERGE,
        "temporal_patch_size": config.vision_config.temporal_patch_size,
    }
    processor = processor_class(
        image_processor=Qwen2VLImageProcessor(size=sizes, **patches),
        tokenizer=tokenizer,
        video_processor=video_class(size=sizes, **patches),
        chat_template=CHAT_TEMPLATE,
    )
    return write_model(folder, model_class, config, processor, seed=seed)
