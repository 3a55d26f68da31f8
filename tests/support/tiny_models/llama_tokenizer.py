"""Tokenizers that write `<s>` before each text that they are given, as Llama's first one does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from support.tiny_models.tokenizer import byte_tokenizer

BOS, EOS, PAD = "<s>", "</s>", "<pad>"
SPECIAL_TOKENS = ("<unk>", BOS, EOS, "<image>", PAD)


def llama_tokenizer(special_tokens: Sequence[str] = SPECIAL_TOKENS) -> Any:
    """Bytes and `special_tokens`."""
    return with_first_token(byte_tokenizer(special_tokens, eos=EOS, pad=PAD, bos_token=BOS, unk_token="<unk>"))


def with_first_token(tokenizer: Any) -> Any:
    """`tokenizer`, writing its `bos_token` before each text unless it is asked not to add special tokens."""
    from tokenizers.processors import TemplateProcessing

    first = tokenizer.bos_token
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{first} $A", special_tokens=[(first, tokenizer.convert_tokens_to_ids(first))]
    )
    return tokenizer
