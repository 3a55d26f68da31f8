"""The command line: `visionft-trainer run MANIFEST` and `visionft-trainer check MANIFEST`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from visionft_api.exit_codes import EXIT_CODES, ExitCode
from visionft_api.run_file import RunFile, load_run_file
from visionft_api.support import unsupported

from visionft_trainer import check, follower, pipeline, report
from visionft_trainer.console import open_console
from visionft_trainer.errors import BadConfigError
from visionft_trainer.failures import Failure, classify
from visionft_trainer.launch import Member, launch, processes
from visionft_trainer.progress import Listener, Progress
from visionft_trainer.reporter import HttpsSender, Reporter
from visionft_trainer.settings import DEVICES, Settings
from visionft_trainer.signals import Stop
from visionft_trainer.summary import print_summary

DESCRIPTION = "Fine-tune a vision-language model as a VisionFineTune manifest says: the same file that a cluster takes."
EXAMPLE = """\
example, on a workstation:
  visionft-trainer run digits.yaml --pvc demo=./demo

  The claim `demo` of the manifest is the folder ./demo. With spec.resources.gpus: 0 it trains on the CPU. Results go to
  run-1 below spec.output; after Ctrl-C the same command goes on where it stopped.
"""
EXIT_CODES_HEADER = "exit codes:"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code of the process."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s", stream=sys.stderr)
    stop = Stop()
    stop.install()
    try:
        member = Member.from_environment(os.environ)
        if member is not None:
            member.prepare()
        settings = Settings.from_environment(os.environ, arguments.pvc, arguments.device)
        run_file = load(arguments.manifest)
        number = processes(run_file.spec.resources, os.environ, getattr(arguments, "processes", None))
    except BaseException as error:
        log_file = os.environ.get("VISIONFT_TERMINATION_LOG")
        return _fail(classify(error), Path(log_file) if log_file else None, 1, Progress())
    if arguments.command == "run" and member is None and number > 1:
        return _launch(sys.argv[1:] if argv is None else argv, number, settings.termination_log, run_file.run)
    if member is not None and member.rank > 0:
        return _take_part(run_file, settings, stop, member)
    listeners = _listeners(arguments, settings)
    progress = Progress(listeners)
    try:
        if arguments.command == "check":
            check.check(run_file, settings, progress, sys.stdout, arguments.json)
            stop.ignore()
            _close(listeners)
            report.write_termination(settings.termination_log, report.checked_message(run_file.run, progress.snapshot))
            return ExitCode.SUCCESS
        result = pipeline.run(run_file, settings, progress, stop, member=member)
        stop.ignore()  # what is done is done; the last word is not to be cut
        _close(listeners)
        print_summary(result, sys.stdout)
        report.write_termination(settings.termination_log, report.success_message(result))
    except BaseException as error:
        stop.ignore()
        failure = classify(error)
        if member is not None:
            member.tell(failure)
        _close(listeners)
        return _fail(failure, settings.termination_log, run_file.run, progress, quiet=member is not None)
    return ExitCode.SUCCESS


def _launch(argv: Sequence[str], number: int, termination_log: Path | None, run: int) -> int:
    """Several processes; what the first of them that failed has to say is said here."""
    cause = launch(argv, number)
    if cause is None:
        return ExitCode.SUCCESS
    # Process 0 has written its own last word, which knows how far the run came.
    return _fail(cause.failure, termination_log if cause.rank or cause.silent else None, run, Progress())


def _take_part(run_file: RunFile, settings: Settings, stop: Stop, member: Member) -> int:
    """Process 1 and above of several: silent, also when it fails."""
    try:
        follower.follow(run_file, settings, stop, member)
    except BaseException as error:
        stop.ignore()
        failure = classify(error)
        member.tell(failure)
        return failure.exit_code
    return ExitCode.SUCCESS


def load(path: Path) -> RunFile:
    """The run that a manifest or run file describes.

    Raises:
        ManifestError: the file is wrong.
        BadConfigError: it asks for what this version does not do.
    """
    run_file = load_run_file(path)
    problems = unsupported(run_file.spec)
    if problems:
        raise BadConfigError("\n".join(f"{path}: {problem}" for problem in problems))
    return run_file


def _listeners(arguments: argparse.Namespace, settings: Settings) -> list[Listener]:
    listeners: list[Listener] = [open_console(quiet=arguments.quiet)]
    sender = HttpsSender.from_settings(settings)
    if sender is not None:
        listeners.append(Reporter(sender, report.compose_report))
    return listeners


def _close(listeners: Sequence[Listener]) -> None:
    for listener in listeners:
        listener.close()


def _fail(failure: Failure, termination_log: Path | None, run: int, progress: Progress, *, quiet: bool = False) -> int:
    if not quiet:
        if failure.detail:
            _say(failure.detail)
        _say(f"visionft-trainer: {failure.message}")
    message = report.failure_message(run, failure.exit_code, failure.message, progress.snapshot, failure.detail)
    try:
        report.write_termination(termination_log, message)
    except OSError as error:
        _say(f"visionft-trainer: the termination message could not be written ({error})")
    return failure.exit_code


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _parser() -> argparse.ArgumentParser:
    codes = "\n".join(f"  {int(code):3d}  {info.meaning}" for code, info in EXIT_CODES.items())
    parser = argparse.ArgumentParser(
        prog="visionft-trainer",
        description=DESCRIPTION,
        epilog=f"{EXAMPLE}\n{EXIT_CODES_HEADER}\n{codes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in (
        ("run", "train, measure and write the artifacts"),
        ("check", "read and prepare the data, without loading the model"),
    ):
        command = commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            epilog=EXAMPLE,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_argument(
            "manifest", metavar="MANIFEST", type=Path, help="a VisionFineTune as YAML or JSON, or the run file of a pod"
        )
        command.add_argument(
            "--pvc",
            metavar="CLAIM=DIR",
            action="append",
            default=[],
            help="the folder that stands for a claim; may be given several times",
        )
        command.add_argument(
            "--device", choices=DEVICES, help="where to train; auto (the default) follows spec.resources.gpus"
        )
        if name == "run":
            command.add_argument(
                "--processes",
                metavar="N",
                type=int,
                help="processes that train together on this machine; absent: one for each GPU of the manifest",
            )
        if name == "check":
            command.add_argument(
                "--json", metavar="PATH", type=Path, help="write the whole report on the data there, as JSON"
            )
        command.add_argument("--quiet", action="store_true", help="no progress, only the result or the error")
    return parser
