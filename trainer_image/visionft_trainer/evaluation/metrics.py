"""How answers are measured: one function a metric, over all pairs at once (corpus level).

A metric is one function and one entry in `METRICS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Score = Callable[[Sequence[str], Sequence[str]], float]


@dataclass(frozen=True)
class Metric:
    """A number over (references, answers), both already stripped of surrounding white space."""

    score: Score
    lower_is_better: bool


def cer(references: Sequence[str], answers: Sequence[str]) -> float:
    """Character error rate: edits over all characters of the references (jiwer); may exceed 1."""
    import jiwer

    return float(jiwer.cer(list(references), list(answers)))


def wer(references: Sequence[str], answers: Sequence[str]) -> float:
    """Word error rate: the same over words."""
    import jiwer

    return float(jiwer.wer(list(references), list(answers)))


def exact_match(references: Sequence[str], answers: Sequence[str]) -> float:
    """Share of answers that are the reference to the letter."""
    return sum(reference == answer for reference, answer in zip(references, answers, strict=True)) / len(references)


METRICS: Mapping[str, Metric] = {
    "cer": Metric(cer, lower_is_better=True),
    "wer": Metric(wer, lower_is_better=True),
    "exactMatch": Metric(exact_match, lower_is_better=False),
}


def measure(names: Sequence[str], references: Sequence[str], answers: Sequence[str]) -> dict[str, float]:
    """The named metrics over all pairs. References are not empty."""
    expected = [reference.strip() for reference in references]
    given = [answer.strip() for answer in answers]
    return {name: METRICS[name].score(expected, given) for name in names}
