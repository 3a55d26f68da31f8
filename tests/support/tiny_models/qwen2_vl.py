"""A tiny random Qwen2-VL."""

from __future__ import annotations

from pathlib import Path

from support.tiny_models.parts import PATCH_PIXELS, TEXT_WIDTH, VISION_WIDTH
from support.tiny_models.qwen import MERGE, qwen_text, qwen_tokenizer, save_qwen, token_ids


def tiny_qwen2_vl(folder: Path, *, seed: int = 0, layers: int = 2) -> Path:
    """Write a random Qwen2-VL (config, weights, processor, tokenizer) to `folder`, loadable by `from_pretrained`."""
    from transformers import (
        Qwen2VLConfig,
        Qwen2VLForConditionalGeneration,
        Qwen2VLProcessor,
        Qwen2VLVideoProcessor,
    )

    tokenizer = qwen_tokenizer()
    config = Qwen2VLConfig(
        text_config=qwen_text(tokenizer, num_hidden_layers=layers),
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
        **token_ids(tokenizer),
    )
    return save_qwen(
        folder, Qwen2VLForConditionalGeneration, config, Qwen2VLProcessor, Qwen2VLVideoProcessor, tokenizer, seed
    )
