"""Published models' shapes with random weights: their real cost, no download.

    python shapes.py NAME FOLDER [--tiny] [--no-weights]

writes configuration, random 16-bit weights, processor and tokenizer, loadable by `from_pretrained`. The sizes are those
of the models' config.json files. The tokenizer knows single bytes only, so a text has about three times the tokens that
the real one would make; the embedding keeps the real vocabulary. `--tiny` keeps the structure at a thousandth of the
size, to try a script on a CPU; `--no-weights` writes what the estimate of memory needs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from support.tiny_models.tokenizer import byte_tokenizer

LONGEST_TEXT = 32768
QWEN_TOKENS = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>",
    "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
LLAMA_TOKENS = (
    "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|pad|>", "<|image|>",
)  # fmt: skip
PIXTRAL_TOKENS = ("<s>", "</s>", "<pad>", "[INST]", "[/INST]", "[IMG]", "[IMG_BREAK]", "[IMG_END]")
QWEN_PIXELS = {"shortest_edge": 56 * 56, "longest_edge": 1280 * 28 * 28}


def template(start: str, role_end: str, end: str, image: str) -> str:
    """A chat template: each message between `start`, its role, `role_end` and `end`; a picture is `image`."""
    parts = (
        f"{{% for part in message['content'] %}}{{% if part['type'] == 'image' %}}{image}"
        "{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}"
    )
    content = f"{{% if message['content'] is string %}}{{{{ message['content'] }}}}{{% else %}}{parts}{{% endif %}}"
    message = f"{start}{{{{ message['role'] }}}}{role_end}{content}{end}"
    answer = f"{{% if add_generation_prompt %}}{start}assistant{role_end}{{% endif %}}"
    return f"{{% for message in messages %}}{message}{{% endfor %}}{answer}"


QWEN_TEMPLATE = template("<|im_start|>", "\n", "<|im_end|>\n", "<|vision_start|><|image_pad|><|vision_end|>")
LLAMA_TEMPLATE = template("<|start_header_id|>", "<|end_header_id|>\n\n", "<|eot_id|>", "<|image|>")
PIXTRAL_TEMPLATE = template("[INST]", "[/INST]", "</s>", "[IMG]")


def qwen2_vl(folder: Path, text: dict[str, Any], vision: dict[str, Any], *, tied: bool, weights: bool) -> None:
    from transformers import (
        Qwen2VLConfig,
        Qwen2VLForConditionalGeneration,
        Qwen2VLProcessor,
        Qwen2VLVideoProcessor,
    )
    from transformers.models.qwen2_vl import Qwen2VLImageProcessor

    tokenizer = byte_tokenizer(QWEN_TOKENS, eos="<|im_end|>", pad="<|endoftext|>")
    config = Qwen2VLConfig(
        text_config=text | _qwen_text(tokenizer, tied), vision_config=vision, **_qwen(tokenizer, tied)
    )
    _write(folder, Qwen2VLForConditionalGeneration, config, tokenizer, weights)
    Qwen2VLProcessor(
        image_processor=Qwen2VLImageProcessor(size=QWEN_PIXELS),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(size=QWEN_PIXELS),
        chat_template=QWEN_TEMPLATE,
    ).save_pretrained(folder)


def qwen2_5_vl(folder: Path, text: dict[str, Any], vision: dict[str, Any], *, tied: bool, weights: bool) -> None:
    from transformers import (
        Qwen2_5_VLConfig,
        Qwen2_5_VLForConditionalGeneration,
        Qwen2_5_VLProcessor,
        Qwen2VLVideoProcessor,
    )
    from transformers.models.qwen2_vl import Qwen2VLImageProcessor

    tokenizer = byte_tokenizer(QWEN_TOKENS, eos="<|im_end|>", pad="<|endoftext|>")
    config = Qwen2_5_VLConfig(
        text_config=text | _qwen_text(tokenizer, tied), vision_config=vision, **_qwen(tokenizer, tied)
    )
    _write(folder, Qwen2_5_VLForConditionalGeneration, config, tokenizer, weights)
    Qwen2_5_VLProcessor(
        image_processor=Qwen2VLImageProcessor(size=QWEN_PIXELS),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(size=QWEN_PIXELS),
        chat_template=QWEN_TEMPLATE,
    ).save_pretrained(folder)


def mllama(folder: Path, text: dict[str, Any], vision: dict[str, Any], *, tied: bool, weights: bool) -> None:
    from transformers import MllamaConfig, MllamaForConditionalGeneration, MllamaProcessor
    from transformers.models.mllama.image_processing_pil_mllama import MllamaImageProcessorPil

    tokenizer = byte_tokenizer(LLAMA_TOKENS, eos="<|eot_id|>", pad="<|pad|>", bos_token="<|begin_of_text|>")
    number = tokenizer.convert_tokens_to_ids
    words = {"bos_token_id": "<|begin_of_text|>", "eos_token_id": "<|eot_id|>", "pad_token_id": "<|pad|>"}
    ids = {field: number(word) for field, word in words.items()}
    config = MllamaConfig(
        text_config=text | ids | {"tie_word_embeddings": tied},
        vision_config=vision,
        image_token_index=number("<|image|>"),
    )
    _write(folder, MllamaForConditionalGeneration, config, tokenizer, weights)
    side = config.vision_config.image_size
    MllamaProcessor(
        image_processor=MllamaImageProcessorPil(
            size={"height": side, "width": side}, max_image_tiles=config.vision_config.max_num_tiles
        ),
        tokenizer=tokenizer,
        chat_template=LLAMA_TEMPLATE,
    ).save_pretrained(folder)


def pixtral(folder: Path, text: dict[str, Any], vision: dict[str, Any], *, tied: bool, weights: bool) -> None:
    from transformers import LlavaConfig, LlavaForConditionalGeneration, PixtralProcessor
    from transformers.models.pixtral import PixtralImageProcessor

    tokenizer = byte_tokenizer(PIXTRAL_TOKENS, eos="</s>", pad="<pad>", bos_token="<s>")
    number = tokenizer.convert_tokens_to_ids
    ids = {"bos_token_id": number("<s>"), "eos_token_id": number("</s>"), "pad_token_id": number("<pad>")}
    config = LlavaConfig(
        text_config=text | ids | {"model_type": "mistral", "tie_word_embeddings": tied},
        vision_config=vision | {"model_type": "pixtral"},
        image_token_index=number("[IMG]"),
        image_seq_length=1,
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        projector_hidden_act="gelu",
        multimodal_projector_bias=True,
    )
    _write(folder, LlavaForConditionalGeneration, config, tokenizer, weights)
    patch, side = config.vision_config.patch_size, config.vision_config.image_size
    PixtralProcessor(
        image_processor=PixtralImageProcessor(
            patch_size={"height": patch, "width": patch}, size={"longest_edge": side}
        ),
        tokenizer=tokenizer,
        patch_size=patch,
        chat_template=PIXTRAL_TEMPLATE,
    ).save_pretrained(folder)


def _qwen(tokenizer: Any, tied: bool) -> dict[str, Any]:
    number = tokenizer.convert_tokens_to_ids
    return {
        "image_token_id": number("<|image_pad|>"),
        "video_token_id": number("<|video_pad|>"),
        "vision_start_token_id": number("<|vision_start|>"),
        "vision_end_token_id": number("<|vision_end|>"),
        "tie_word_embeddings": tied,
    }


def _qwen_text(tokenizer: Any, tied: bool) -> dict[str, Any]:
    number = tokenizer.convert_tokens_to_ids
    return {
        "max_position_embeddings": LONGEST_TEXT,
        "bos_token_id": None,
        "eos_token_id": number("<|im_end|>"),
        "pad_token_id": number("<|endoftext|>"),
        "tie_word_embeddings": tied,
    }


def _write(folder: Path, model_class: Any, config: Any, tokenizer: Any, weights: bool) -> None:
    tokenizer.model_max_length = LONGEST_TEXT
    if not weights:
        config.architectures = [model_class.__name__]
        config.save_pretrained(folder)
        return
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = model_class(config)
    torch.set_default_dtype(torch.float32)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder, max_shard_size="5GB")


def _mrope(*section: int) -> dict[str, Any]:
    return {"rope_type": "default", "rope_theta": 1e6, "mrope_section": list(section)}


def _text(hidden: int, inner: int, layers: int, heads: int, shared: int, words: int, **more: Any) -> dict[str, Any]:
    return {
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": shared,
        "vocab_size": words,
    } | more


QWEN2_VISION = {"depth": 32, "embed_dim": 1280, "num_heads": 16, "mlp_ratio": 4}
QWEN2_5_VISION = {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16}
LLAMA_CROSS = {"cross_attention_layers": [3, 8, 13, 18, 23, 28, 33, 38]}

Shape = tuple[Callable[..., None], dict[str, Any], dict[str, Any], bool]
SHAPES: Mapping[str, Shape] = {
    "qwen2-vl-2b": (
        qwen2_vl,
        _text(1536, 8960, 28, 12, 2, 151936, rope_parameters=_mrope(16, 24, 24)),
        QWEN2_VISION | {"hidden_size": 1536},
        True,
    ),
    "qwen2.5-vl-7b": (
        qwen2_5_vl,
        _text(3584, 18944, 28, 28, 4, 152064, rope_parameters=_mrope(16, 24, 24)),
        QWEN2_5_VISION | {"out_hidden_size": 3584},
        False,
    ),
    "llama-3.2-11b-vision": (
        mllama,
        _text(4096, 14336, 40, 32, 8, 128256, **LLAMA_CROSS),
        {"image_size": 560},
        False,
    ),
    "pixtral-12b": (
        pixtral,
        _text(5120, 14336, 40, 32, 8, 131072, head_dim=128),
        {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "image_size": 1024, "patch_size": 16},
        False,
    ),
}
TINY: Mapping[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "qwen2-vl-2b": (
        _text(64, 128, 2, 4, 2, 512, rope_parameters=_mrope(2, 3, 3)),
        {"depth": 2, "embed_dim": 32, "hidden_size": 64, "num_heads": 2, "mlp_ratio": 2},
    ),
    "qwen2.5-vl-7b": (
        _text(64, 128, 2, 4, 2, 512, rope_parameters=_mrope(2, 3, 3)),
        {"depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "out_hidden_size": 64},
    ),
    "llama-3.2-11b-vision": (
        _text(64, 128, 3, 4, 2, 512, cross_attention_layers=[1]),
        {
            "hidden_size": 32, "attention_heads": 2, "num_hidden_layers": 2, "num_global_layers": 1, "image_size": 56,
            "intermediate_layers_indices": [0, 1], "vision_output_dim": 96, "intermediate_size": 64,
        },
    ),
    "pixtral-12b": (
        _text(64, 128, 2, 4, 2, 512, head_dim=16),
        {
            "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "image_size": 256, "patch_size": 16,
            "num_attention_heads": 2, "head_dim": 16,
        },
    ),
}  # fmt: skip


def write(name: str, folder: Path, *, tiny: bool = False, weights: bool = True) -> None:
    """Write the model `name` of `SHAPES` to `folder`."""
    writer, text, vision, tied = SHAPES[name]
    if tiny:
        text, vision = TINY[name]
    writer(folder, text, vision, tied=tied, weights=weights)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=SHAPES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--no-weights", action="store_true")
    options = parser.parse_args()
    write(options.name, options.folder, tiny=options.tiny, weights=not options.no_weights)


if __name__ == "__main__":
    main()
