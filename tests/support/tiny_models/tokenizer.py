"""A tokenizer that any tiny model can use: bytes and the family's special tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


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
