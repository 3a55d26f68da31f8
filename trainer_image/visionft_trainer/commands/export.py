"""`visionft-trainer export`."""

from __future__ import annotations

import argparse
from pathlib import Path

from visionft_trainer.commands import ending
from visionft_trainer.commands.command import Call, Command
from visionft_trainer.reporting.progress import Progress

DESCRIPTION = """\
Write the adapter or the merged model of a run that is complete or was interrupted: from what the run has written, else
from its newest sound checkpoint.

Leaves DIR/adapter and DIR/merged, as asked, each whole or not at all, and prints their digests. Needs the base model
and what was trained, no rows. The run's own folder stays as it is.
"""
EXAMPLE = """\
  visionft-trainer export digits.yaml --pvc digits=./digits --merged --out exported

  The whole model with the adapter merged in is then in exported/merged, for a plain from_pretrained.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's own options."""
    parser.add_argument(
        "--from",
        dest="origin",
        metavar="WHERE",
        help="run-2, run-2/checkpoint-40, or the path of such a folder; absent: the latest run of this manifest",
    )
    parser.add_argument("--adapter", action="store_true", help="write the adapter")
    parser.add_argument(
        "--merged", action="store_true", help="write the merged model; without both, what spec.output asks for"
    )
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="the folder to write to")


def execute(call: Call) -> int:
    """Write what was asked for and print the digests."""
    return ending.work(call, lambda progress: _export(call, progress), reports=False)


def _export(call: Call, progress: Progress) -> ending.Outcome:
    from visionft_trainer.artifacts import export_command
    from visionft_trainer.reporting import summary

    arguments, output = call.arguments, call.run_file.spec.output
    either = arguments.adapter or arguments.merged
    wanted = export_command.Wanted(
        adapter=arguments.adapter if either else output.adapter and call.run_file.spec.adapter.method == "lora",
        merged=arguments.merged if either else output.merged,
        out=arguments.out,
    )
    done = export_command.export(call.run_file, call.settings, progress, arguments.origin, wanted)
    return ending.Outcome(lambda stream: summary.print_exported(done, stream))


COMMAND = Command(
    "export",
    "write the adapter or the merged model of a run, also of an interrupted one",
    DESCRIPTION,
    EXAMPLE,
    add_options,
    execute,
)
