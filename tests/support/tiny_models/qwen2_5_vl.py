"""A tiny random Qwen2.5-VL."""

from __future__ import annotations

from pathlib import Path

from support.tiny_models.parts import PATCH_PIXELS, TEXT_WIDTH, VISION_WIDTH
from support.tiny_models.qwen import MERGE, qwen_text, qwen_tokenizer, save_qwen, token_ids


def tiny_qwen2_5_vl(folder: Path, *, seed: int = 0) -> Path:
    """Write a random Qwen2.5-VL to `folder`: one windowed layer and one that sees whole pictures."""
    from transformers import (
        Qwen2_5_VLConfig,
        Qwen2_5_VLForConditionalGeneration,
        Qwen2_5_VLProcessor,
        Qwen2VLVideoProcessor,
    )

    tokenizer = qwen_tokenizer()
    config = Qwen2_5_VLConfig(
        text_config=qwen_text(tokenizer),
        vision_config={
            "depth": 2,
            "hidden_size": VISION_WIDTH,
            "out_hidden_size": TEXT_WIDTH,
            "intermediate_size": 64,
            "num_heads": 2,
            "patch_size": PATCH_PIXELS,
            "spatial_merge_size": MERGE,
            "window_size": 2 * PATCH_PIXELS * MERGE,
            "fullatt_block_indexes": [1],
        },
        **token_ids(tokenizer),
    )
    return save_qwen(
        folder, Qwen2_5_VLForConditionalGeneration, config, Qwen2_5_VLProcessor, Qwen2VLVideoProcessor, tokenizer, seed
    )
