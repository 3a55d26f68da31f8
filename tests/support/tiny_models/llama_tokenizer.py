"""The special tokens of Llama's first tokenizer, which the LLaVA families have: it writes `<s>` before each text."""

from __future__ import annotations

from typing import Any

from support.tiny_models.tokenizer import byte_tokenizer

BOS, EOS, PAD = "<s>", "</s>", "<pad>"
SPECIAL_TOKENS = ("<unk>", BOS, EOS, "<image>", PAD)


def llama_tokenizer() -> Any:
    """Bytes and `SPECIAL_TOKENS`."""
    from tokenizers.processors import TemplateProcessing

    tokenizer = byte_tokenizer(SPECIAL_TOKENS, eos=EOS, pad=PAD, bos_token=BOS, unk_token="<unk>")
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{BOS} $A", special_tokens=[(BOS, tokenizer.convert_tokens_to_ids(BOS))]
    )
    return tokenizer
