"""A tiny random Gemma 3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.tiny_models.parts import DISTINCT, VIEW_PIXELS, square, text_config, vision_config, write_model
from support.tiny_models.tokenizer import byte_tokenizer, with_first_token

# The system prompt goes into the first question; words are trimmed; an answer is the model's turn.
CHAT_TEMPLATE = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{% if messages[0]['content'] is string %}{% set first = messages[0]['content'] + '\n\n' %}"
    "{% else %}{% set first = messages[0]['content'][0]['text'] + '\n\n' %}{% endif %}{% set rest = messages[1:] %}"
    "{% else %}{% set first = '' %}{% set rest = messages %}{% endif %}{% for message in rest %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else message['role']) + '\n' }}"
    "{{ first if loop.first else '' }}{% if message['content'] is string %}{{ message['content'] | trim }}"
    "{% else %}{% for part in message['content'] %}{% if part['type'] == 'image' %}<start_of_image>"
    "{% elif part['type'] == 'text' %}{{ part['text'] | trim }}{% endif %}{% endfor %}{% endif %}"
    "{{ '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
SPECIAL_TOKENS = (
    "<pad>",
    "<eos>",
    "<bos>",
    "<unk>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<start_of_image>",
    "<end_of_image>",
    "<image_soft_token>",
)
PICTURE_TOKENS = 4


def tiny_gemma3(folder: Path, *, seed: int = 0, layers: int = 2) -> Path:
    """Write a random Gemma 3 (config, weights, processor, tokenizer) to `folder`."""
    from tokenizers import AddedToken
    from transformers import (
        Gemma3Config,
        Gemma3ForConditionalGeneration,
        Gemma3ImageProcessor,
        Gemma3Processor,
    )

    tokenizer = byte_tokenizer(
        SPECIAL_TOKENS,
        eos="<eos>",
        pad="<pad>",
        bos_token="<bos>",
        unk_token="<unk>",
        extra_special_tokens={
            "boi_token": "<start_of_image>",
            "eoi_token": "<end_of_image>",
            "image_token": "<image_soft_token>",
        },
    )
    tokenizer.add_tokens([AddedToken("\n" * count, normalized=False) for count in range(2, 6)])
    with_first_token(tokenizer)
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL_TOKENS}
    config = Gemma3Config(
        text_config=text_config(
            tokenizer,
            num_hidden_layers=layers,
            head_dim=16,
            query_pre_attn_scalar=16,
            layer_types=["sliding_attention", "full_attention"] * (layers // 2),
            sliding_window=16,
            initializer_range=DISTINCT,
        ),
        vision_config=vision_config(model_type="siglip_vision_model", vision_use_head=False),
        boi_token_index=ids["<start_of_image>"],
        eoi_token_index=ids["<end_of_image>"],
        image_token_index=ids["<image_soft_token>"],
        mm_tokens_per_image=PICTURE_TOKENS,
    )
    processor = Gemma3Processor(
        image_processor=Gemma3ImageProcessor(size=square(VIEW_PIXELS)),
        tokenizer=tokenizer,
        image_seq_length=PICTURE_TOKENS,
        chat_template=CHAT_TEMPLATE,
    )
    ends = [ids["<eos>"], ids["<end_of_turn>"]]
    return write_model(
        folder, Gemma3ForConditionalGeneration, config, processor, seed=seed, ends=ends, touch_up=_show_pictures
    )


def _show_pictures(model: Any) -> None:
    """The projector's first weights are zeros, which would hide all pictures."""
    model.model.multi_modal_projector.mm_input_projection_weight.data.normal_(0, 0.2)
