"""ROUGE-L of captions: how long a sequence of words two of them share, as the COCO caption evaluation counts it.

Lin, "ROUGE: A Package for Automatic Evaluation of Summaries", 2004; recall weighs 1.2 times as much as precision, each
being the best over the references (Chen et al., "Microsoft COCO Captions", arXiv 1504.00325, section 4.2).
"""

from __future__ import annotations

from collections.abc import Sequence

from visionft_trainer.evaluation.metrics.base import Case, Floats, Metric, mean_of, share
from visionft_trainer.evaluation.metrics.words import words

BETA = 1.2


def _count(cases: Sequence[Case]) -> Floats:
    return mean_of([_f(words(case.answer), [words(reference) for reference in case.references]) for case in cases])


def _f(answer: list[str], references: list[list[str]]) -> float:
    from rapidfuzz.distance import LCSseq

    if not answer:  # nothing is the right caption of nothing
        return float([] in references)
    shared = [LCSseq.similarity(reference, answer) for reference in references]
    precision = max(shared) / len(answer)
    recall = max(length / max(len(reference), 1) for length, reference in zip(shared, references, strict=True))
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision) if precision else 0.0


ROUGE_L = Metric("rougeL", "ROUGE-L", lower_is_better=False, highest=1.0, count=_count, value=share)
