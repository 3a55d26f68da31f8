"""F1 of the fields of documents, as Donut counts it: over all fields of all rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from visionft_trainer.evaluation.metrics import documents
from visionft_trainer.evaluation.metrics.base import Case, Floats, Metric, share


def _count(cases: Sequence[Case]) -> Floats:
    """`[n, 2]`: fields that are right, and those plus half of what is missing or too much."""
    return np.asarray([_row(case) for case in cases], dtype=np.float64).reshape(-1, 2)


def _row(case: Case) -> tuple[float, float]:
    """Against the reference with the highest F1."""
    given = Counter(_fields(documents.written(case.answer)))
    return max((_compared(Counter(_fields(documents.right(text))), given) for text in case.references), key=_f1)


def _compared(right: Counter[tuple[str, str]], given: Counter[tuple[str, str]]) -> tuple[float, float]:
    return (right & given).total(), (right.total() + given.total()) / 2


def _f1(row: tuple[float, float]) -> float:
    """Of a row alone. Where nothing is to be found, to write nothing is right."""
    return row[0] / row[1] if row[1] else 1.0


def _row_value(statistics: Floats) -> Floats:
    return np.asarray([_f1((right, of)) for right, of in statistics])


def _fields(document: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(path, value) of each leaf; items of a list share the list's path."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield from _fields(value, f"{path}.{key}" if path else key)
    elif isinstance(document, list):
        for item in document:
            yield from _fields(item, path)
    else:
        yield path, document


FIELD_F1 = Metric(
    "fieldF1", "Field F1", lower_is_better=False, highest=1.0, count=_count, value=share, row_value=_row_value
)
