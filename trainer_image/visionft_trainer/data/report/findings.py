"""What in a report a person should act on. Each finding says what was seen and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from visionft_api.status import DataWarning

from visionft_trainer.data.report.model import DataReport, Pair, SplitReport
from visionft_trainer.data.report.statistics import share

MAX_WARNINGS = 16  # as many as the API carries
DUPLICATE_SHARE = 0.01  # of the rows; a few in thousands do no harm
CONFLICT_SHARE = 0.01
COMMON_ANSWER_SHARE = 0.5
BALANCE_ROWS = 20  # below, one answer is soon the most common
DARK, PALE = 0.1, 0.03  # brightness, contrast
BLANK_SHARE = 0.01
TINY_SIDE = 16  # pixels: no encoder sees more than a patch of it
FEW_MEASURED = 30  # rows: one of them more or less moves a share by over three percent
LOW_DIVERSITY = 0.05
TRUSTED_SAMPLE = 32  # pictures, for the figure of diversity


def data_warnings(report: DataReport) -> list[DataWarning]:
    """The findings of a report, those that make figures wrong first."""
    return list(islice(_all(report), MAX_WARNINGS))


def _all(report: DataReport) -> Iterator[DataWarning]:
    yield from _leakage(report)
    splits = [("training", report.train)]
    if report.validation is not None:
        splits.append(("validation", report.validation))
    for judge in (_dropped, _conflicts, _duplicates, _answers, _pictures, _size):
        for name, split in splits:
            yield from judge(name, split)


def _leakage(report: DataReport) -> Iterator[DataWarning]:
    leakage, validation = report.leakage, report.validation
    if leakage is None or validation is None or not leakage.exact.rows + leakage.near.rows:
        return
    pair = (leakage.exact.named or leakage.near.named)[0]
    yield _warning(
        "DataLeakage",
        f"{leakage.exact.rows + leakage.near.rows} of {validation.rows} validation rows are in the training data too "
        f"({leakage.exact.rows} the same, {leakage.near.rows} that look the same), such as {_both(pair)}: what is "
        "measured on them is memory. Take them out of one of the two.",
    )


def _dropped(name: str, split: SplitReport) -> Iterator[DataWarning]:
    total = sum(split.dropped.values())
    if total:
        reasons = ", ".join(f"{count} {reason}" for reason, count in split.dropped.items())
        first = f" The first: {split.dropped_rows[0].reason}." if split.dropped_rows else ""
        yield _warning(
            "RowsDropped",
            f"{total} of {total + split.rows} {name} rows are left out: {reasons}.{first} Mend them or raise "
            "the limit.",
        )


def _conflicts(name: str, split: SplitReport) -> Iterator[DataWarning]:
    if share(split.conflicts.rows, split.rows) >= CONFLICT_SHARE:
        yield _warning(
            "ConflictingAnswers",
            f"{split.conflicts.rows} {name} rows have the pictures and question of an earlier row but another answer, "
            f"such as {_both(split.conflicts.named[0])}. Keep the answer that is right, unless several are.",
        )


def _duplicates(name: str, split: SplitReport) -> Iterator[DataWarning]:
    for reason, pairs, what in (
        ("DuplicateRows", split.duplicates, "repeat an earlier row"),
        (
            "NearDuplicateRows",
            split.near_duplicates,
            "have the words of an earlier row and pictures that look the same",
        ),
    ):
        if share(pairs.rows, split.rows) >= DUPLICATE_SHARE:
            yield _warning(
                reason,
                f"{pairs.rows} of {split.rows} {name} rows {what}, such as {_both(pairs.named[0])}. They count double: "
                "take them out, unless that is meant.",
            )


def _answers(name: str, split: SplitReport) -> Iterator[DataWarning]:
    common = split.answers.top[0]
    if split.rows >= BALANCE_ROWS and common.share > COMMON_ANSWER_SHARE:
        yield _warning(
            "ImbalancedAnswers",
            f"{common.share:.0%} of the {name} rows have the answer {common.answer!r}; always giving it looks good "
            "already. Add rows with other answers, or leave some of these out.",
        )


def _pictures(name: str, split: SplitReport) -> Iterator[DataWarning]:
    if not split.images:
        yield _warning(
            "NoImages",
            f"none of the {split.rows} {name} rows has a picture. If they should, name their column in "
            "spec.dataset.columns.image.",
        )
    looks = split.looks
    if looks is None or looks.brightness is None or looks.contrast is None:
        return
    if share(looks.blank, split.images) >= BLANK_SHARE:
        yield _warning(
            "BlankImages",
            f"{looks.blank} of {split.images} {name} pictures show nothing. Leave their rows out, unless "
            "that is meant.",
        )
    if looks.brightness.median < DARK:
        yield _warning(
            "DarkImages",
            f"half of the {name} pictures have a brightness below {looks.brightness.median:.2f} of 1. Check how they "
            "were read or converted.",
        )
    elif looks.contrast.median < PALE:
        yield _warning(
            "PaleImages",
            f"half of the {name} pictures have a contrast below {looks.contrast.median:.3f} of 0.5. Check how they "
            "were read or converted.",
        )
    if looks.width and looks.height and min(looks.width.median, looks.height.median) < TINY_SIDE:
        yield _warning(
            "TinyImages",
            f"half of the {name} pictures have a side of fewer than {TINY_SIDE} pixels. Bring larger ones, or raise "
            "spec.dataset.image.minPixels.",
        )
    diversity = split.diversity
    if diversity is not None and diversity.pictures >= TRUSTED_SAMPLE and diversity.share < LOW_DIVERSITY:
        yield _warning(
            "AlikeImages",
            f"the {name} pictures are much alike: a sample of {diversity.pictures} is as diverse as "
            f"{diversity.score:.1f} pictures. Bring more kinds of pictures.",
        )


def _size(name: str, split: SplitReport) -> Iterator[DataWarning]:
    if name == "validation" and split.rows < FEW_MEASURED:
        yield _warning(
            "FewValidationRows",
            f"there {'is 1 validation row' if split.rows == 1 else f'are {split.rows} validation rows'}: a single one "
            f"moves a share by {1 / split.rows:.0%}. Bring at least {FEW_MEASURED}.",
        )


def _both(pair: Pair) -> str:
    return f"{pair.row.file} row {pair.row.row} and {pair.other.file} row {pair.other.row}"


def _warning(reason: str, message: str) -> DataWarning:
    return DataWarning(reason=reason, message=message)
