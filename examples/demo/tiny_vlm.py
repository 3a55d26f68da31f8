"""Small models before they have learnt anything: Qwen2-VLs of a few million parameters, their tokenizer and processor.

Everything is the stock class of transformers, only small, so `from_pretrained` loads it with no code of ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
    Qwen2VLVideoProcessor,
)

PATCH_SIZE = 8
MERGE_SIZE = 2
TEMPORAL_PATCH_SIZE = 1
TOKEN_PIXELS = (PATCH_SIZE * MERGE_SIZE) ** 2
MIN_PIXELS = 4 * TOKEN_PIXELS
MAX_PIXELS = 128 * TOKEN_PIXELS
MAX_POSITIONS = 2048


@dataclass(frozen=True)
class Size:
    """How large a model is. The head dimension is 32 in the language model and the rotary sections are for that."""

    vocabulary: int
    """Rows of the embedding: 256 bytes, the special tokens, and room for the merges that shorten prompts and roles."""
    text_width: int
    text_mlp: int
    text_layers: int
    text_heads: int
    vision_width: int
    vision_layers: int


DIGITS_READER = Size(
    vocabulary=320, text_width=128, text_mlp=320, text_layers=4, text_heads=4, vision_width=96, vision_layers=3
)
"""The demo's: 1.3 million parameters."""

IGNORED = -100  # the label that cross entropy leaves out
SPECIAL_TOKENS = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
]

# Qwen2-VL's turns, without its default system turn. `generation` marks the answer for libraries that ask for it.
CHAT_TEMPLATE = """\
{%- for message in messages -%}
{{- '<|im_start|>' + message.role + '\\n' -}}
{%- if message.role == 'assistant' -%}
{%- generation -%}
{%- if message.content is string -%}{{- message.content -}}
{%- else -%}{%- for part in message.content -%}{{- part.text -}}{%- endfor -%}{%- endif -%}
{{- '<|im_end|>' -}}
{%- endgeneration -%}
{%- else -%}
{%- if message.content is string -%}{{- message.content -}}
{%- else -%}
{%- for part in message.content -%}
{%- if part.type == 'text' -%}{{- part.text -}}
{%- elif part.type == 'video' -%}{{- '<|vision_start|><|video_pad|><|vision_end|>' -}}
{%- else -%}{{- '<|vision_start|><|image_pad|><|vision_end|>' -}}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
{{- '<|im_end|>' -}}
{%- endif -%}
{{- '\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
"""


def build_tokenizer(size: Size, prompts: Sequence[str], special_tokens: Sequence[str] = ()) -> PreTrainedTokenizerFast:
    """Byte-level BPE that can write any text; each digit is a token of its own, the roles and the prompts are short."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size.vocabulary,
        special_tokens=[*SPECIAL_TOKENS, *special_tokens],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["system\n", "user\n", "assistant\n", *prompts] * 4, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        model_max_length=MAX_POSITIONS,
    )


def build_processor(tokenizer: PreTrainedTokenizerFast) -> Qwen2VLProcessor:
    """Tokenizer, chat template and the image side: 8-pixel patches, merged by 2; sides in 16 pixels are not resized."""
    sizes = {
        "patch_size": PATCH_SIZE,
        "merge_size": MERGE_SIZE,
        "temporal_patch_size": TEMPORAL_PATCH_SIZE,
        "size": {"shortest_edge": MIN_PIXELS, "longest_edge": MAX_PIXELS},
    }
    return Qwen2VLProcessor(
        image_processor=Qwen2VLImageProcessor(**sizes),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(**sizes),
        chat_template=CHAT_TEMPLATE,
    )


def build_model(processor: Qwen2VLProcessor, size: Size) -> Qwen2VLForConditionalGeneration:
    """The network with fresh weights (float32), and greedy decoding that ends at the end of the turn."""
    token = processor.tokenizer.convert_tokens_to_ids
    ids = {
        "bos_token_id": None,
        "eos_token_id": token("<|im_end|>"),
        "pad_token_id": token("<|endoftext|>"),
    }
    config = Qwen2VLConfig(
        text_config={
            "vocab_size": size.vocabulary,
            "hidden_size": size.text_width,
            "intermediate_size": size.text_mlp,
            "num_hidden_layers": size.text_layers,
            "num_attention_heads": size.text_heads,
            "num_key_value_heads": size.text_heads // 2,
            "max_position_embeddings": MAX_POSITIONS,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [4, 6, 6]},
            **ids,
        },
        vision_config={
            "depth": size.vision_layers,
            "embed_dim": size.vision_width,
            "hidden_size": size.text_width,
            "num_heads": 4,
            "mlp_ratio": 4,
            "patch_size": PATCH_SIZE,
            "spatial_merge_size": MERGE_SIZE,
            "temporal_patch_size": TEMPORAL_PATCH_SIZE,
        },
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
    )
    model = Qwen2VLForConditionalGeneration(config)
    model.generation_config = GenerationConfig(do_sample=False, **ids)
    return model


def answer_labels(processor: Qwen2VLProcessor, input_ids: torch.Tensor) -> torch.Tensor:
    """Ids [B, T] with everything but the answer and its end of turn set to `IGNORED`."""
    start, end = processor.tokenizer.convert_tokens_to_ids(["<|im_start|>", "<|im_end|>"])
    role = len(processor.tokenizer("assistant\n").input_ids)
    labels = torch.full_like(input_ids, IGNORED)
    for row, ids in enumerate(input_ids):
        first = int((ids == start).nonzero()[-1]) + 1 + role
        last = int((ids == end).nonzero()[-1])
        labels[row, first : last + 1] = ids[first : last + 1]
    return labels
