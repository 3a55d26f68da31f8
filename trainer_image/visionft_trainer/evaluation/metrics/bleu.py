"""Corpus BLEU-4, counted by sacrebleu, as a share of 1.

Papineni et al., ACL 2002; Post, "A Call for Clarity in Reporting BLEU Scores", WMT 2018. Its signature:
case:mixed, eff:no, tok:zh, smooth:exp.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from visionft_trainer.evaluation.metrics.base import Case, Floats, Metric
from visionft_trainer.evaluation.metrics.words import TOKENIZER

ORDERS = 4


def _count(cases: Sequence[Case]) -> Floats:
    """`[n, 10]`: lengths of answer and nearest reference, matches of 1 to 4 words, and how many there could be."""
    from sacrebleu.metrics.bleu import BLEU

    counter = BLEU(tokenize=TOKENIZER, effective_order=True)  # the order has no effect on counts, but on a warning
    scores = (counter.sentence_score(case.answer, list(case.references)) for case in cases)
    rows = [(score.sys_len, score.ref_len, *score.counts, *score.totals) for score in scores]
    return np.asarray(rows, dtype=np.float64).reshape(-1, 2 + 2 * ORDERS)


def _corpus(sums: Floats) -> Floats:
    """The four orders weigh alike; without any answer of four words there is no figure but 0."""
    logs, some = _log_precisions(sums)
    return np.asarray(np.where(some[..., -1], _brevity(sums) * np.exp(logs.mean(axis=-1)), 0.0))


def _row(sums: Floats) -> Floats:
    """Of single sentences, those orders that they are long enough for (sacrebleu's effective order)."""
    logs, some = _log_precisions(sums)
    orders = np.maximum(some.sum(axis=-1), 1)
    return np.asarray(np.where(some[..., 0], _brevity(sums) * np.exp(np.where(some, logs, 0).sum(axis=-1) / orders), 0))


def _log_precisions(sums: Floats) -> tuple[Floats, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
    """`[..., 4]`: log precision of each order, and whether it has one. Orders without a match count 1/2, 1/4 ..."""
    matches, most = sums[..., 2 : 2 + ORDERS], sums[..., 2 + ORDERS :]
    some = (most > 0) & (matches.sum(axis=-1, keepdims=True) > 0)
    missed = (matches == 0) & some
    counted = np.where(missed, 0.5 ** np.cumsum(missed, axis=-1), matches)
    return np.log(np.where(some, counted, 1.0) / np.where(some, most, 1.0)), some


def _brevity(sums: Floats) -> Floats:
    answer, reference = sums[..., 0], sums[..., 1]
    return np.asarray(np.exp(np.minimum(0.0, 1.0 - reference / np.maximum(answer, 1e-300))))


BLEU = Metric("bleu", "BLEU-4", lower_is_better=False, highest=1.0, count=_count, value=_corpus, row_value=_row)
