"""`visionft-trainer estimate`."""

from __future__ import annotations

import argparse
from pathlib import Path

from visionft_trainer.commands import ending
from visionft_trainer.commands.command import Call, Command
from visionft_trainer.errors import writing_to
from visionft_trainer.reporting.progress import Progress
from visionft_trainer.storage import atomic

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
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures there as JSON, sizes in bytes")


def execute(call: Call) -> int:
    """Estimate and print."""
    return ending.work(call, lambda progress: _estimate(call, progress), reports=False)


def _estimate(call: Call, progress: Progress) -> ending.Outcome:
    from visionft_trainer.estimate import command

    findings = command.estimate(call.run_file, call.settings, progress, call.arguments.gpu_memory)
    if call.arguments.json is not None:
        with writing_to(call.arguments.json):
            atomic.write_text(call.arguments.json, command.to_json(findings))
    return ending.Outcome(lambda stream: command.print_table(findings, stream))


COMMAND = Command(
    "estimate",
    "say how much GPU memory the run needs, without a GPU and without the model's weights",
    DESCRIPTION,
    EXAMPLE,
    add_options,
    execute,
)
