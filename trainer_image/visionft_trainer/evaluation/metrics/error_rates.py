"""Character and word error rates, by jiwer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from visionft_trainer.evaluation.metrics.base import Case, Floats, Metric, share


def _characters(cases: Sequence[Case]) -> Floats:
    import jiwer

    return _count(cases, jiwer.process_characters)


def _words(cases: Sequence[Case]) -> Floats:
    import jiwer

    return _count(cases, jiwer.process_words)


def _count(cases: Sequence[Case], process: Callable[[str, str], Any]) -> Floats:
    """`[n, 2]`: edits, and the length of the reference they were counted against: the one with the lowest rate."""
    rows = np.empty((len(cases), 2))
    for index, case in enumerate(cases):
        rows[index] = min((_edits(process(reference, case.answer)) for reference in case.references), key=_rate)
    return rows


def _edits(aligned: Any) -> tuple[int, int]:
    wrong = aligned.substitutions + aligned.deletions
    return wrong + aligned.insertions, wrong + aligned.hits


def _rate(edits: tuple[int, int]) -> float:
    return edits[0] / max(edits[1], 1)


CER = Metric("cer", "Character error rate", lower_is_better=True, highest=None, count=_characters, value=share)
WER = Metric("wer", "Word error rate", lower_is_better=True, highest=None, count=_words, value=share)
