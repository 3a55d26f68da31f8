"""A report on the data, for reading."""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

from visionft_trainer.data.report.model import DataReport, SplitReport, Spread

LOG_COLUMNS = 120  # a log has no width of its own
NOTHING = "-"

Cell = Callable[[SplitReport], str]


def print_report(report: DataReport, stream: TextIO) -> None:
    """A table with a column for each split, then what a person should look at."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(file=stream, highlight=False, width=None if stream.isatty() else LOG_COLUMNS)
    splits = [split for split in (report.train, report.validation) if split is not None]
    names = ["train", "validation"][: len(splits)]
    table = Table("", *(f"{name}\n{escape(split.source)}" for name, split in zip(names, splits, strict=True)))
    for title, cell in lines(splits):
        table.add_row(title, *(escape(cell(split)) for split in splits))
    console.print(table)
    for name, split in zip(names, splits, strict=True):
        for reason, count in split.dropped.items():
            console.print(
                f"{name}: {count:,} {'row' if count == 1 else 'rows'} left out: {escape(reason)}", soft_wrap=True
            )
    if report.leakage is not None:
        console.print(
            f"validation rows that are in the training data: {report.leakage.exact.rows:,} the same, "
            f"{report.leakage.near.rows:,} that look the same"
        )
    if report.augmentation is not None:
        distances = ", ".join(f"{name} {distance:.2f}" for name, distance in report.augmentation.distances.items())
        console.print(
            f"augmentation moves the pictures by (Kolmogorov-Smirnov distance, at most "
            f"{report.augmentation.limit:.2f} is allowed): {distances}"
        )
    console.print(f"data: {report.digest}", soft_wrap=True)
    for warning in report.warnings:
        console.print(f"[yellow]{warning.reason}[/yellow]: {escape(warning.message)}", soft_wrap=True)
    if not report.warnings:
        console.print("nothing to complain about")


def lines(splits: list[SplitReport]) -> list[tuple[str, Cell]]:
    """What there is to say of the splits: a title, and how each split's cell is made. Without what no split has."""
    every: list[tuple[str, Cell]] = [
        ("rows that are used", lambda split: f"{split.rows:,}"),
        ("rows left out", lambda split: f"{sum(split.dropped.values()):,}"),
        ("duplicates: the same / look the same", lambda s: f"{s.duplicates.rows:,} / {s.near_duplicates.rows:,}"),
        ("same question, another answer", lambda split: f"{split.conflicts.rows:,}"),
        ("pictures: all / different", lambda split: f"{split.images:,} / {split.distinct_images:,}"),
        ("width, pixels", lambda split: _range(split.looks.width if split.looks else None)),
        ("height, pixels", lambda split: _range(split.looks.height if split.looks else None)),
        ("brightness, 0 to 1", lambda split: _range(split.looks.brightness if split.looks else None)),
        ("contrast, 0 to 0.5", lambda split: _range(split.looks.contrast if split.looks else None)),
        ("diversity of a sample of pictures", _diversity),
        ("prompt, characters", lambda split: _range(split.lengths.prompt_characters)),
        ("answer, characters", lambda split: _range(split.lengths.answer_characters)),
        ("row, tokens", lambda split: _range(split.lengths.tokens)),
        ("answer, tokens", lambda split: _range(split.lengths.answer_tokens)),
        ("different answers", lambda s: f"{s.answers.distinct:,} (entropy {s.answers.entropy:.2f} bits)"),
        ("most common answer", _most_common),
    ]
    return [(title, cell) for title, cell in every if any(cell(split) != NOTHING for split in splits)]


def _most_common(split: SplitReport) -> str:
    first = split.answers.top[0]
    return f"{first.answer!r}, {first.share:.0%}" if first.rows > 1 else NOTHING


def _range(spread: Spread | None) -> str:
    if spread is None:
        return NOTHING
    if spread.least == spread.most:
        return _number(spread.least)
    return f"{_number(spread.least)} to {_number(spread.most)}, half below {_number(spread.median)}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) or value >= 100 else f"{value:.2f}"


def _diversity(split: SplitReport) -> str:
    if split.diversity is None:
        return NOTHING
    return f"of {split.diversity.pictures}, as {split.diversity.score:.1f} different ones"
