"""Words of captions, for the metrics that compare words and their sequences."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Any

TOKENIZER = "zh"
"""sacrebleu's: that of mteval-v13a, which goes by spaces and Latin punctuation, with each Chinese character a word."""


def words(text: str) -> list[str]:
    """The words of a caption in small letters, without punctuation (as the COCO caption evaluation does without it)."""
    return [word for word in _tokenizer()(text.lower()).split() if not all(map(_is_punctuation, word))]


def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character).startswith("P")


@cache
def _tokenizer() -> Any:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(tokenize=TOKENIZER).tokenizer
