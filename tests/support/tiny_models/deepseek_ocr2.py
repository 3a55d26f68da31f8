"""A tiny random DeepSeek-OCR-2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.tiny_models.parts import VISION_WIDTH, square, text_config, write_model
from support.tiny_models.tokenizer import byte_tokenizer

BOS, EOS, PAD = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"  # noqa: RUF001
SPECIAL_TOKENS = (
    BOS,
    EOS,
    PAD,
    "<image>",
    "<|ref|>",
    "<|/ref|>",
    "<|det|>",
    "<|/det|>",
    "<|grounding|>",
)
# The model has 256 queries for its global view and 144 for a tile, whatever the configuration says: SAM patches of 2
# pixels, four of them to a query, make that 128 and 96 pixels.
PATCH_PIXELS, QUERY_PATCHES = 2, 4
VIEW_PIXELS, TILE_PIXELS = 128, 96


def deepseek_tokenizer() -> Any:
    """Of both versions of DeepSeek-OCR."""
    return byte_tokenizer(SPECIAL_TOKENS, eos=EOS, pad=PAD, bos_token=BOS)


def tiny_deepseek_ocr2(folder: Path, *, seed: int = 2, layers: int = 2) -> Path:
    """Write a random DeepSeek-OCR-2 (config, weights, processor, tokenizer) to `folder`.

    As the released checkpoint, it has no chat template. With this seed no token of the families' rows lies between two
    experts (their scores are 3e-5 apart and more); with 0 a last digit decides which one a token goes to.
    """
    from transformers import (
        DeepseekOcr2Config,
        DeepseekOcr2ForConditionalGeneration,
        DeepseekOcr2ImageProcessor,
        DeepseekOcr2Processor,
    )

    tokenizer = deepseek_tokenizer()
    config = DeepseekOcr2Config(
        text_config=text_config(
            tokenizer,
            num_hidden_layers=layers,
            num_attention_heads=2,
            num_key_value_heads=2,
            moe_intermediate_size=32,
            n_routed_experts=4,
            n_shared_experts=2,
            num_experts_per_tok=2,
            mlp_layer_types=["dense"] + ["sparse"] * (layers - 1),
            max_position_embeddings=4096,
        ),
        vision_config={
            "sam_config": {
                "hidden_size": 16,
                "num_hidden_layers": 2,
                "num_attention_heads": 1,
                "global_attn_indexes": [],  # a layer over the whole view holds the same, and took most of the time
                "image_size": VIEW_PIXELS,
                "patch_size": PATCH_PIXELS,
                "output_channels": 8,
                "downsample_channels": [16, VISION_WIDTH],
                "initializer_range": 0.2,
            },
            "encoder_config": {
                "hidden_size": VISION_WIDTH,
                "intermediate_size": 2 * VISION_WIDTH,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "num_key_value_heads": 1,
                "vocab_size": 1,
            },
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
    )
    processor = DeepseekOcr2Processor(
        image_processor=DeepseekOcr2ImageProcessor(size=square(VIEW_PIXELS), tile_size=TILE_PIXELS),
        tokenizer=tokenizer,
        patch_size=PATCH_PIXELS,
        downsample_ratio=QUERY_PATCHES,
    )
    return write_model(
        folder, DeepseekOcr2ForConditionalGeneration, config, processor, seed=seed, touch_up=_level_pictures
    )


def _level_pictures(model: Any) -> None:
    """As large as the words' embeddings: else the tower's gradients are so large that their last digits say nothing."""
    model.model.multi_modal_projector.weight.data.mul_(0.1)
