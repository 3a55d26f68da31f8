"""How a command ends: its result on standard output, or one error on standard error, and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from visionft_api.exit_codes import ExitCode
from visionft_api.shown import shorten
from visionft_api.termination import TerminationMessage

from visionft_trainer.commands.command import Call
from visionft_trainer.errors import Interrupted
from visionft_trainer.failures import Failure, classify
from visionft_trainer.reporting import report
from visionft_trainer.reporting.console import open_console
from visionft_trainer.reporting.progress import Listener, Progress
from visionft_trainer.reporting.reporter import HttpsSender, Reporter

MOST_SAID = 8000
"""Characters of an error: values are cut where they are told, and what a library says is cut here."""


@dataclass(frozen=True)
class Outcome:
    """What a command that went well has to say."""

    show: Callable[[TextIO], None]
    """Prints it for people."""
    message: TerminationMessage | None = None
    """The last word of a pod."""


def work(call: Call, task: Callable[[Progress], Outcome], *, reports: bool = True, resumes: bool = False) -> int:
    """Do `task` with its progress shown, tell how it ended, and give the exit code.

    `reports`: whether the operator hears of it. `resumes`: whether the same call goes on where it was interrupted.
    """
    progress = Progress(_listeners(call, reports=reports))
    log = call.settings.termination_log
    try:
        outcome = task(progress)
        call.stop.ignore()  # what is done is done; the last word is not to be cut
        progress.close()
        show(outcome.show)
        if outcome.message is not None:
            report.write_termination(log, outcome.message)
    except BaseException as error:
        call.stop.ignore()
        failure = classify(error) if resumes else once(error)
        if call.member is not None:
            call.member.tell(failure, error)
        progress.close()
        return fail(failure, log, call.run_file.run, progress, quiet=call.member is not None)
    return ExitCode.SUCCESS


def once(error: BaseException) -> Failure:
    """`classify` for a command that begins anew when it is called again."""
    if isinstance(error, Interrupted):
        return Failure(error.exit_code, f"The command was {error}. It left nothing behind.")
    return classify(error)


def fail(failure: Failure, log: Path | None, run: int, progress: Progress, *, quiet: bool = False) -> int:
    """Tell of a failure, also in the termination message where there is one; gives the exit code."""
    if not quiet:
        if failure.detail:
            _say(failure.detail)
        _say(f"visionft-trainer: {shorten(failure.message, MOST_SAID)}")
    message = report.failure_message(run, failure.exit_code, failure.message, progress.snapshot, failure.detail)
    try:
        report.write_termination(log, message)
    except OSError as error:
        _say(f"visionft-trainer: the termination message could not be written ({error})")
    return failure.exit_code


def show(write: Callable[[TextIO], None]) -> None:
    """Print what a command has found; whoever stops reading, as `| head` does, has seen enough."""
    try:
        write(sys.stdout)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):  # rich's word for it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _listeners(call: Call, *, reports: bool) -> list[Listener]:
    listeners: list[Listener] = [open_console(quiet=call.arguments.quiet)]
    sender = HttpsSender.from_settings(call.settings) if reports else None
    if sender is not None:
        listeners.append(Reporter(sender, report.compose_report))
    return listeners


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
