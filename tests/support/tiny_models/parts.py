"""What all tiny models share: sizes, the configuration of a language model and of a tower, and how they are written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

TEXT_WIDTH, VISION_WIDTH = 64, 32
VIEW_PIXELS, PATCH_PIXELS = 32, 8
"""Of towers that see squares of one size: 16 patches."""
DISTINCT = 0.1
"""`initializer_range` of language models that would else answer all rows alike."""


def text_config(tokenizer: Any, **settings: Any) -> dict[str, Any]:
    """A language model's configuration; `settings` are what a family has of its own."""
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": TEXT_WIDTH,
        "intermediate_size": 2 * TEXT_WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 1024,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        **settings,
    }


def vision_config(**settings: Any) -> dict[str, Any]:
    """A tower's configuration, by the names of CLIP and SigLIP; `settings` are what a family has of its own."""
    return {
        "hidden_size": VISION_WIDTH,
        "intermediate_size": 2 * VISION_WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": VIEW_PIXELS,
        "patch_size": PATCH_PIXELS,
        **settings,
    }


def square(pixels: int) -> dict[str, int]:
    """A size as image processors want it."""
    return {"height": pixels, "width": pixels}


def write_model(
    folder: Path,
    model_class: Any,
    config: Any,
    processor: Any,
    *,
    seed: int,
    ends: Any = None,
    touch_up: Callable[[Any], None] | None = None,
) -> Path:
    """Write random weights, the processor and the tokenizer to `folder`, loadable by `from_pretrained`.

    `ends` are the ids at which answers end, by default the tokenizer's; `touch_up` changes first weights that would
    hide what is to be tested.
    """
    import torch

    torch.manual_seed(seed)
    model = model_class(config)
    if touch_up:
        touch_up(model)
    model.generation_config.eos_token_id = ends or processor.tokenizer.eos_token_id
    model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
