"""The last thing that `run`, `evaluate` and `export` print: figures, the verdict, and where the artifacts are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TextIO

from visionft_api.status import Evaluation, Intervals, MetricInterval

from visionft_trainer.reporting.report import Result

if TYPE_CHECKING:
    from visionft_trainer.artifacts.export_command import Exported

LOG_COLUMNS = 200  # a log has no width; paths and digests must not be cut there
NOTHING = "-"


def print_summary(result: Result, stream: TextIO) -> None:
    """A table of the metrics, the verdict in a sentence, and a line for each artifact."""
    if result.evaluation is not None:
        print_evaluation(result.evaluation, stream)
    console = _console(stream)
    for artifact in result.artifacts:
        console.print(_line(artifact.kind, artifact.uri, artifact.digest, artifact.size))


def print_evaluation(evaluation: Evaluation, stream: TextIO, tuned: str = "tuned") -> None:
    """What was measured, with 95 % intervals, what follows, and what a person should know. `tuned` is what the measured
    model is called beside the base model."""
    from rich.table import Table

    console = _console(stream)
    columns = {"base model": evaluation.baseline, tuned: evaluation.tuned, "change": evaluation.delta}
    shown = [title for title, figures in columns.items() if figures]
    if not shown:
        return
    table = Table("metric", *shown)
    for cells in _rows(evaluation):
        if any(cells[1:]):
            values = dict(zip(columns, cells[1:], strict=True))
            table.add_row(cells[0], *(values[title] or NOTHING for title in shown))
    console.print(table)
    rows = f"{evaluation.samples} row{'' if evaluation.samples == 1 else 's'}"
    console.print(f"measured on {rows}, in brackets the 95 % interval")
    if evaluation.summary:
        console.print(evaluation.summary)
    for warning in evaluation.warnings or []:
        console.print(f"{warning.reason}: {warning.message}")


def print_exported(exported: Exported, stream: TextIO) -> None:
    """Where the weights come from, and a line for each artifact."""
    stream.write(f"from {exported.origin}\n")
    for artifact in exported.artifacts:
        stream.write(_line(artifact.kind, str(artifact.folder), artifact.digest, artifact.size) + "\n")


Cells = tuple[str, str, str, str]
"""What it is, the base model, the tuned one, the change."""


def _rows(evaluation: Evaluation) -> Iterator[Cells]:
    intervals = evaluation.intervals or Intervals()
    for name in evaluation.tuned or evaluation.baseline or {}:
        yield (
            name,
            _figure(evaluation.baseline, intervals.baseline, name),
            _figure(evaluation.tuned, intervals.tuned, name),
            _figure(evaluation.delta, intervals.delta, name),
        )
        for prompt in evaluation.prompts or []:
            yield f"  {prompt.name}", prompt.metrics.get(name, ""), "", ""
        if evaluation.vision is not None:
            before, after = evaluation.vision.baseline, evaluation.vision.tuned
            for title, field in (("other rows' pictures", "shuffled"), ("grey pictures", "blank")):
                yield f"  {title}", _of(getattr(before, field, None), name), _of(getattr(after, field, None), name), ""
    if evaluation.general is not None:
        before_general, after_general = evaluation.general.baseline, evaluation.general.tuned
        for name in after_general or before_general or {}:
            yield f"{name} on general rows", _of(before_general, name), _of(after_general, name), ""


def _figure(figures: Mapping[str, str] | None, bounds: Mapping[str, MetricInterval] | None, name: str) -> str:
    if not figures or name not in figures:
        return ""
    interval = (bounds or {}).get(name)
    return f"{figures[name]} ({interval.low} to {interval.high})" if interval else figures[name]


def _of(figures: Mapping[str, str] | None, name: str) -> str:
    return (figures or {}).get(name, "")


def _console(stream: TextIO) -> Any:
    from rich.console import Console

    # No markup: prompts and paths may hold square brackets.
    return Console(
        file=stream, highlight=False, markup=False, soft_wrap=True, width=None if stream.isatty() else LOG_COLUMNS
    )


def _line(kind: str, place: str, digest: str | None, size: int | None) -> str:
    return f"{kind}: {place}\n  {digest}, {size or 0:,} bytes"
