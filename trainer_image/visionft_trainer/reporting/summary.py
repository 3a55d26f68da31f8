"""The last thing that `run` and `export` print: what tuning brought, the verdict, and where the artifacts are."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from visionft_trainer.reporting.report import Result

if TYPE_CHECKING:
    from visionft_trainer.artifacts.export_command import Exported


def print_summary(result: Result, stream: TextIO) -> None:
    """A table of the metrics and a line for each artifact."""
    from rich.console import Console
    from rich.table import Table

    # A log has no width; paths and digests must not be cut there.
    console = Console(file=stream, highlight=False, soft_wrap=True, width=None if stream.isatty() else 200)
    evaluation = result.evaluation
    if evaluation is not None and evaluation.tuned:
        table = Table("metric", "base model", "tuned", "change")
        for name, tuned in evaluation.tuned.items():
            table.add_row(
                name, (evaluation.baseline or {}).get(name, "-"), tuned, (evaluation.delta or {}).get(name, "-")
            )
        console.print(table)
        console.print(f"measured on {evaluation.samples} rows; verdict: {evaluation.verdict}")
        for clause in result.failed_gates:
            console.print(f"  {clause}")
    for artifact in result.artifacts:
        console.print(_line(artifact.kind, artifact.uri, artifact.digest, artifact.size))


def print_exported(exported: Exported, stream: TextIO) -> None:
    """Where the weights come from, and a line for each artifact."""
    stream.write(f"from {exported.origin}\n")
    for artifact in exported.artifacts:
        stream.write(_line(artifact.kind, str(artifact.folder), artifact.digest, artifact.size) + "\n")


def _line(kind: str, place: str, digest: str | None, size: int | None) -> str:
    return f"{kind}: {place}\n  {digest}, {size or 0:,} bytes"
