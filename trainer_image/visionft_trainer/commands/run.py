"""`visionft-trainer run`."""

from __future__ import annotations

import argparse
import os

from visionft_api.exit_codes import ExitCode

from visionft_trainer.commands import ending
from visionft_trainer.commands.command import Call, Command
from visionft_trainer.failures import classify
from visionft_trainer.processes import launch
from visionft_trainer.reporting.progress import Progress

DESCRIPTION = """\
Train what the manifest says: measure the base model, train, measure again, and write the artifacts.

Results go to run-N below spec.output: adapter/ and merged/ as the manifest asks, result.json with metrics and verdict,
answers.jsonl, data-report.json, and checkpoints/. Ctrl-C saves a checkpoint at the end of the step; the same command
goes on from it. A run that is complete is not trained again: its result is shown.
"""
EXAMPLE = """\
  visionft-trainer run digits.yaml --pvc digits=./digits

  The claim `digits` of the manifest is the folder ./digits. With spec.resources.gpus: 0 it trains on the CPU.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's own options."""
    parser.add_argument(
        "--processes",
        metavar="N",
        type=int,
        help="processes that train together on this machine; absent: one for each GPU of the manifest",
    )


def execute(call: Call) -> int:
    """Train in this process, in several, or as one of several."""
    number = launch.processes(call.run_file.spec.resources, os.environ, call.arguments.processes)
    if call.member is None and number > 1:
        return _launch(call, number)
    if call.member is not None and call.member.rank > 0:
        return _take_part(call)
    return ending.work(call, lambda progress: _train(call, progress), resumes=True)


def _train(call: Call, progress: Progress) -> ending.Outcome:
    from visionft_trainer import pipeline
    from visionft_trainer.reporting import report, summary

    result = pipeline.run(call.run_file, call.settings, progress, call.stop, member=call.member)
    return ending.Outcome(lambda stream: summary.print_summary(result, stream), report.success_message(result))


def _launch(call: Call, number: int) -> int:
    """Several processes; what the first of them that failed has to say is said here."""
    cause = launch.launch(call.words, number)
    if cause is None:
        return ExitCode.SUCCESS
    # Process 0 has written its own last word, which knows how far the run came.
    log = call.settings.termination_log if cause.rank or cause.silent else None
    return ending.fail(cause.failure, log, call.run_file.run, Progress())


def _take_part(call: Call) -> int:
    """Process 1 and above of several: silent, also when it fails."""
    from visionft_trainer.processes import follower

    assert call.member is not None
    try:
        follower.follow(call.run_file, call.settings, call.stop, call.member)
    except BaseException as error:
        call.stop.ignore()
        failure = classify(error)
        call.member.tell(failure, error)
        return failure.exit_code
    return ExitCode.SUCCESS


COMMAND = Command("run", "train, measure and write the artifacts", DESCRIPTION, EXAMPLE, add_options, execute)
