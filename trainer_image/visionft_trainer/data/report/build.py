"""The report on the data, put together from what was noted while it was read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from visionft_api.status import DataSummary, SplitSummary

from visionft_trainer.data.dropped import MAX_REASONS, OTHER, DroppedRows
from visionft_trainer.data.report.duplicates import find_duplicates
from visionft_trainer.data.report.facts import Facts
from visionft_trainer.data.report.findings import MAX_WARNINGS, data_warnings
from visionft_trainer.data.report.leakage import find_leakage
from visionft_trainer.data.report.matches import Positions
from visionft_trainer.data.report.model import (
    NAMED_ROWS,
    DataReport,
    DroppedRow,
    LeakageReport,
    Lengths,
    Pair,
    Pairs,
    RowName,
    ShiftReport,
    SplitReport,
)
from visionft_trainer.data.report.statistics import balance, diversity, looks, spread
from visionft_trainer.data.rows import Row
from visionft_trainer.errors import BadDatasetError

if TYPE_CHECKING:
    from visionft_trainer.data.ingest import Dataset, Split
    from visionft_trainer.prepare.preprocess import Prepared

NAMED_LEAKS = 3  # pairs of rows that an error spells out


def inspect(data: Dataset) -> DataReport:
    """What is known once the rows are read; `with_tokens` adds what comes later."""
    return _warned(
        DataReport(
            digest=data.digest,
            train=_split_report(data.train),
            validation=_split_report(data.validation) if data.validation else None,
            leakage=_leakage(data.train, data.validation) if data.validation else None,
        )
    )


def refuse_leakage(report: DataReport) -> None:
    """Raise `BadDatasetError` where validation rows are among the training rows."""
    leakage, validation = report.leakage, report.validation
    if leakage is None or validation is None or not leakage.exact.rows + leakage.near.rows:
        return
    leaked = leakage.exact.rows + leakage.near.rows
    pairs = [
        f"{pair.row.file} row {pair.row.row} ({how} {pair.other.file} row {pair.other.row})"
        for pairs, how in ((leakage.exact, "the same as"), (leakage.near, "looks like"))
        for pair in pairs.named
    ]
    named = ", ".join(pairs[:NAMED_LEAKS])
    more = f" and {leaked - NAMED_LEAKS} more" if leaked > NAMED_LEAKS else ""
    raise BadDatasetError(
        f"validation data {validation.source}: {leaked} of {validation.rows} rows are in the training data "
        f"{report.train.source} too: {named}{more}. Take them out of one of the two, or set spec.dataset.leakage to "
        "Warn."
    )


def with_tokens(report: DataReport, prepared: Sequence[Prepared], shift: ShiftReport | None = None) -> DataReport:
    """`report` with what the model's tokenizer and the augmentation showed."""
    splits = {split.name: _prepared(getattr(report, split.name), split) for split in prepared}
    return _warned(report.model_copy(update={**splits, "augmentation": shift}))


def summary_of(report: DataReport) -> DataSummary:
    """What status and reports carry of it."""
    return DataSummary(
        digest=report.digest,
        train=_summary(report.train),
        validation=_summary(report.validation) if report.validation else None,
        warnings=report.warnings[:MAX_WARNINGS] or None,
    )


def _warned(report: DataReport) -> DataReport:
    return report.model_copy(update={"warnings": data_warnings(report)})


def _summary(split: SplitReport) -> SplitSummary:
    return SplitSummary(
        rows=split.rows,
        dropped=split.dropped or None,
        duplicates=split.duplicates.rows,
        near_duplicates=split.near_duplicates.rows,
        images=split.images,
        max_tokens=int(split.lengths.tokens.most) if split.lengths.tokens else None,
    )


def _split_report(split: Split) -> SplitReport:
    facts, rows = split.facts, split.rows
    found, answer_lengths = find_duplicates(facts), facts.rows.column("answer_length")
    return SplitReport(
        source=split.title,
        digest=f"sha256:{split.digest}",
        rows=len(rows),
        dropped=dict(split.dropped.by_reason),
        dropped_rows=_dropped_rows(split.dropped),
        images=len(facts.pictures),
        distinct_images=_distinct(facts),
        duplicates=_pairs(found.exact, rows, rows),
        near_duplicates=_pairs(found.near, rows, rows),
        conflicts=_pairs(found.conflicts, rows, rows),
        answers=balance(facts.rows.column("answer"), lambda position: rows[position].messages[-1].shown),
        lengths=Lengths(
            prompt_characters=spread(facts.rows.column("prompt_length")),
            answer_characters=spread(answer_lengths) if answer_lengths.any() else None,  # boxes are not written yet
        ),
        looks=looks(facts),
        diversity=diversity(facts),
    )


def _prepared(report: SplitReport, prepared: Prepared) -> SplitReport:
    dropped = dict(report.dropped)
    for reason, count in prepared.dropped.by_reason.items():
        known = reason if reason in dropped or len(dropped) < MAX_REASONS - 1 else OTHER
        dropped[known] = dropped.get(known, 0) + count
    named = [*report.dropped_rows, *_dropped_rows(prepared.dropped)]
    lengths = report.lengths.model_copy(
        update={"tokens": spread(prepared.lengths), "answer_tokens": spread(prepared.answer_lengths)}
    )
    return report.model_copy(
        update={
            "rows": len(prepared.examples),
            "dropped": dropped,
            "dropped_rows": named[:NAMED_ROWS],
            "lengths": lengths,
        }
    )


def _dropped_rows(dropped: DroppedRows) -> list[DroppedRow]:
    return [DroppedRow(file=bad.where.file, row=bad.where.row, reason=bad.reason) for bad in dropped.named]


def _distinct(facts: Facts) -> int:
    return len(np.unique(facts.pictures.column("digest")[:, 0]))


def _leakage(train: Split, validation: Split) -> LeakageReport:
    found = find_leakage(train.facts, validation.facts)
    return LeakageReport(
        exact=_pairs(found.exact, validation.rows, train.rows),
        near=_pairs(found.near, validation.rows, train.rows),
    )


def _pairs(matches: Positions, rows: Sequence[Row], others: Sequence[Row]) -> Pairs:
    hits = np.flatnonzero(matches >= 0)
    named = [Pair(row=_name(rows[int(hit)]), other=_name(others[int(matches[hit])])) for hit in hits[:NAMED_ROWS]]
    return Pairs(rows=len(hits), named=named)


def _name(row: Row) -> RowName:
    return RowName(file=row.where.file, row=row.where.row)
