"""`visionft-trainer estimate`."""

from __future__ import annotations

import argparse

from visionft_trainer.commands import ending, json_option
from visionft_trainer.commands.command import Call, Command
from visionft_trainer.reporting.progress import Progress

DESCRIPTION = """\
Say how much memory the run needs on a GPU and how it would be trained there, from the manifest, the rows and the
model's configuration. Needs no GPU and no weights.

Leaves nothing behind but the file that --json names. The exit code is 0 also where the run fits no GPU.
"""
EXAMPLE = """\
  visionft-trainer estimate digits.yaml --pvc digits=./digits --gpu-memory 24Gi
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's own options."""
    parser.add_argument(
        "--gpu-memory", metavar="SIZE", help="memory of the GPU, such as 80Gi; absent: some common sizes"
    )
    json_option.add(parser, "the figures, sizes in bytes,")


def execute(call: Call) -> int:
    """Estimate and print."""
    return ending.work(call, lambda progress: _estimate(call, progress), reports=False)


def _estimate(call: Call, progress: Progress) -> ending.Outcome:
    from visionft_trainer.estimate import command

    findings = command.estimate(call.run_file, call.settings, progress, call.arguments.gpu_memory)
    return ending.Outcome(
        json_option.shown(
            call.arguments.json, command.to_json(findings), lambda stream: command.print_table(findings, stream)
        )
    )


COMMAND = Command(
    "estimate",
    "say how much GPU memory the run needs, without a GPU and without the model's weights",
    DESCRIPTION,
    EXAMPLE,
    add_options,
    execute,
    computes=False,
)
