"""Tokenizers that any tiny model can use: bytes and the family's special tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

BOS, EOS, PAD = "<s>", "</s>", "<pad>"
"""Of Llama's first tokenizer."""
LLAMA_TOKENS = ("<unk>", BOS, EOS, "<image>", PAD)


def byte_tokenizer(special_tokens: Sequence[str], *, eos: str, pad: str, **settings: Any) -> Any:
    """A byte-level tokenizer without merges: 256 bytes and `special_tokens`. `settings` go to transformers."""
    from tokenizers import Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(BPE(vocab={symbol: index for index, symbol in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(special_tokens))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=eos,
        pad_token=pad,
        padding_side="left",
        model_max_length=1024,
        **settings,
    )


def llama_tokenizer(special_tokens: Sequence[str] = LLAMA_TOKENS) -> Any:
    """Bytes and `special_tokens`, `<s>` before each text."""
    return with_first_token(byte_tokenizer(special_tokens, eos=EOS, pad=PAD, bos_token=BOS, unk_token="<unk>"))


def with_first_token(tokenizer: Any) -> Any:
    """`tokenizer`, writing its `bos_token` before each text unless it is asked not to add special tokens."""
    from tokenizers.processors import TemplateProcessing

    first = tokenizer.bos_token
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{first} $A", special_tokens=[(first, tokenizer.convert_tokens_to_ids(first))]
    )
    return tokenizer
