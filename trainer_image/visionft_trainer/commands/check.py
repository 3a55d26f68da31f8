"""`visionft-trainer check`."""

from __future__ import annotations

import argparse
from typing import TextIO

from visionft_trainer.commands import ending, json_option
from visionft_trainer.commands.command import Call, Command
from visionft_trainer.reporting.progress import Progress

DESCRIPTION = """\
Read every row and every picture, prepare them for the model, and tell what was found: rows left out and why,
duplicates, validation rows that are in the training data, lengths, looks. Needs the model's configuration and
processor, no GPU.

Leaves nothing behind but the report that --json names. Findings stop nothing: the exit code is 0 unless a run would
be refused.
"""
EXAMPLE = """\
  visionft-trainer check digits.yaml --pvc digits=./digits --json report.json
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's own options."""
    json_option.add(parser, "the whole report on the data")


def execute(call: Call) -> int:
    """Look at the data and print the report."""
    return ending.work(call, lambda progress: _check(call, progress))


def _check(call: Call, progress: Progress) -> ending.Outcome:
    from visionft_trainer import check
    from visionft_trainer.data.report.table import print_report
    from visionft_trainer.prepare import stage as data_stage
    from visionft_trainer.reporting import report

    found = check.check(call.run_file, call.settings, progress)

    def show(stream: TextIO) -> None:
        print_report(found.report, stream)
        stream.write(f"model: {found.family}\n")

    printed = json_option.shown(call.arguments.json, data_stage.report_text(found.report), show)
    return ending.Outcome(printed, report.checked_message(call.run_file.run, progress.snapshot))


COMMAND = Command(
    "check", "read and prepare the data, without loading the model", DESCRIPTION, EXAMPLE, add_options, execute
)
