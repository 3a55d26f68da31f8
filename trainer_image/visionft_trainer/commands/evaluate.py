"""`visionft-trainer evaluate`."""

from __future__ import annotations

import argparse
from pathlib import Path

from visionft_trainer.commands import ending, json_option
from visionft_trainer.commands.command import Call, Command
from visionft_trainer.reporting.progress import Progress

DESCRIPTION = """\
Measure a model on the manifest's validation rows, and say what follows: the metrics with their 95 % intervals, how it
does with other rows' pictures and with grey ones, and, beside the base model, whether it is better by more than chance.

With --base the base model alone is measured, also with the other prompts and the examples of spec.evaluation: to see
what can be had without any training. Else a run's artifact, a checkpoint or a folder, after the base model (unless
spec.evaluation.baseline is false). Leaves nothing behind but what --json names. An artifact that does not fit its
SHA256SUMS is measured, and that is told. A gate that is not met is told, and the exit code is still 0.
"""
EXAMPLE = """\
  visionft-trainer evaluate digits.yaml --pvc digits=./digits --base
  visionft-trainer evaluate digits.yaml --pvc digits=./digits --from run-1/checkpoint-400
  visionft-trainer evaluate digits.yaml --pvc digits=./digits --model exported/adapter --json judgement.json
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's own options."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--base", action="store_true", help="the base model as it is")
    which.add_argument(
        "--from",
        dest="origin",
        metavar="WHERE",
        help="run-2, run-2/checkpoint-40, or the path of such a folder; without any of these options, the latest run "
        "of this manifest",
    )
    which.add_argument(
        "--model", metavar="DIR", type=Path, help="a folder with an adapter or a whole model, such as run-1/adapter"
    )
    json_option.add(parser, "every figure and what follows from them")


def execute(call: Call) -> int:
    """Measure and print the judgement."""
    return ending.work(call, lambda progress: _evaluate(call, progress), reports=False)


def _evaluate(call: Call, progress: Progress) -> ending.Outcome:
    from visionft_trainer.evaluation import command, files
    from visionft_trainer.evaluation.status_form import evaluation_of
    from visionft_trainer.reporting import summary

    arguments = call.arguments
    which = command.Which(arguments.base, arguments.model, arguments.origin)
    done = command.evaluate(call.run_file, call.settings, progress, which)
    evaluation = evaluation_of(done.judgement)
    return ending.Outcome(
        json_option.shown(
            arguments.json,
            files.judgement_text(done.judgement),
            lambda stream: summary.print_evaluation(evaluation, stream, tuned=done.name),
        )
    )


COMMAND = Command(
    "evaluate",
    "measure the base model, a run, a checkpoint or a folder on the validation rows",
    DESCRIPTION,
    EXAMPLE,
    add_options,
    execute,
)
