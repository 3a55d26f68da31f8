"""Tiny random Qwen3-VL models, dense and with experts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.tiny_models.parts import PATCH_PIXELS, TEXT_WIDTH, VISION_WIDTH
from support.tiny_models.qwen import MERGE, qwen_text, qwen_tokenizer, save_qwen, token_ids

ROPE = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 2, 2], "mrope_interleaved": True}


def tiny_qwen3_vl(folder: Path, *, seed: int = 0) -> Path:
    """Write a random dense Qwen3-VL to `folder`; its tower feeds DeepStack twice."""
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

    return _save(folder, Qwen3VLForConditionalGeneration, Qwen3VLConfig, seed)


def tiny_qwen3_vl_moe(folder: Path, *, seed: int = 0) -> Path:
    """Write a random Qwen3-VL with four experts a layer, two of them at work for each token."""
    from transformers import Qwen3VLMoeConfig, Qwen3VLMoeForConditionalGeneration

    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
    return _save(folder, Qwen3VLMoeForConditionalGeneration, Qwen3VLMoeConfig, seed, **experts)


def _save(folder: Path, model_class: Any, config_class: Any, seed: int, **text: Any) -> Path:
    from transformers import Qwen3VLProcessor, Qwen3VLVideoProcessor

    tokenizer = qwen_tokenizer()
    config = config_class(
        text_config=qwen_text(tokenizer, num_hidden_layers=3, head_dim=16, rope_parameters=ROPE, **text),
        vision_config={
            "depth": 2,
            "hidden_size": VISION_WIDTH,
            "out_hidden_size": TEXT_WIDTH,
            "intermediate_size": 64,
            "num_heads": 2,
            "patch_size": PATCH_PIXELS,
            "spatial_merge_size": MERGE,
            "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0, 1],
        },
        **token_ids(tokenizer),
    )
    return save_qwen(folder, model_class, config, Qwen3VLProcessor, Qwen3VLVideoProcessor, tokenizer, seed)
