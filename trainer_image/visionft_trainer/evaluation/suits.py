"""Whether a metric suits the rows: told before a training that is judged by it, not found out afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from visionft_api.shown import shorten
from visionft_api.status import DataWarning

from visionft_trainer.data.rows import Row
from visionft_trainer.evaluation.generate import boxes_of
from visionft_trainer.evaluation.metrics import METRICS, Case, Metric
from visionft_trainer.evaluation.metrics.documents import fault, is_document
from visionft_trainer.evaluation.metrics.multiple_choice import names_letter

REASON = "UnsuitableMetric"
MOST_ROWS = 256  # that are looked at
NEXT_TO_NOTHING = 0.1  # of the highest figure
SHOWN_CHARACTERS = 40
OF_DOCUMENTS = ("fieldF1", "ntedAccuracy")
OTHER_METRIC = "Choose another metric: docs/metrics.md."
COUNTS = {
    "groundedAccuracy": "boxes",
    "bleu": "sequences of four words",
    "rougeL": "words",
    "ciderD": "words by how few of several rows have them",
}


def unsuitable(metrics: Sequence[str], rows: Sequence[Row], field: str, what: str) -> list[DataWarning]:
    """A warning for each metric that says nothing of such rows. `field` names the metrics, `what` the rows.

    A metric is tried on the right answers themselves: one that calls them wrong cannot tell a good model.
    """
    some = list(islice(rows, MOST_ROWS))
    cases = [_answered_rightly(row) for row in some]
    return [
        DataWarning(reason=REASON, message=f"{field}: {message}")
        for name in metrics
        for message in _problems(METRICS[name], some, cases, what)
    ]


def _answered_rightly(row: Row) -> Case:
    right = boxes_of(row)
    boxes = right.boxes if right else ()
    return Case(row.references, row.answer, boxes, boxes)


def _problems(metric: Metric, rows: Sequence[Row], cases: Sequence[Case], what: str) -> Iterator[str]:
    if metric.name == "multipleChoice" and not any(names_letter(row.answer) for row in rows):
        yield (
            f"{metric.name} asks which option is chosen, and no answer of the {what} rows names one by its letter, as "
            f"B or B. Paris do; {_example(rows[0])}. So it only tells whether answer and text are the same. "
            f"{OTHER_METRIC}"
        )
    if metric.name in OF_DOCUMENTS:
        faults = [(row, fault(row.answer)) for row in rows]
        broken = [(row, told) for row, told in faults if told is not None]
        if broken:
            row, told = broken[0]
            yield (
                f"{metric.name} compares fields of JSON, and the answers of {len(broken)} of {len(rows)} {what} rows "
                f"begin as JSON but are none, so that each counts as one nameless value; {_example(row)} "
                f"({told}). Mend them."
            )
        others = [row for row, told in faults if told is None and not is_document(row.answer)]
        if len(others) > len(rows) / 2:
            yield (
                f"{metric.name} compares fields of JSON, and the answers of {len(others)} of {len(rows)} {what} rows "
                f'have none; {_example(others[0])}. {OTHER_METRIC} Or write answers such as {{"total": "12.50"}}.'
            )
    elif metric.highest is not None:
        counts = metric.statistics(cases)
        figure = float(metric.value(counts.sum(axis=0)))
        if figure < NEXT_TO_NOTHING * metric.highest:
            yield (
                f"{metric.name} counts {COUNTS.get(metric.name, 'something else')}, and gives even the right answers "
                f"of the {what} rows {figure:.2f} of {metric.highest:.0f}; {_example(rows[0])}. {OTHER_METRIC}"
            )


def _example(row: Row) -> str:
    return f"{row.where.file} row {row.where.row} has {shorten(row.answer, SHOWN_CHARACTERS)!r}"
