"""The metrics that a manifest may name: what counts as better, and how far each goes. Gates and trainer share this."""

from typing import Literal, get_args

Metric = Literal[
    "cer",
    "wer",
    "anls",
    "exactMatch",
    "fieldF1",
    "ntedAccuracy",
    "relaxedAccuracy",
    "groundedAccuracy",
    "multipleChoice",
    "bleu",
    "rougeL",
    "ciderD",
]
METRICS: tuple[Metric, ...] = get_args(Metric)
"""None is the beginning of another one: CEL tells a gate's metric by `startsWith`."""

LOWER_IS_BETTER: frozenset[str] = frozenset({"cer", "wer"})

MOST_OF_CIDER = 10
"""CIDEr-D is a cosine times ten."""


def highest_gate(metric: str) -> int:
    """The highest threshold that a gate over this metric may have. An error rate may be measured above 1, but a gate
    there would ask for nothing."""
    return MOST_OF_CIDER if metric == "ciderD" else 1
