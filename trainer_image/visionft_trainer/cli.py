"""The command line: `visionft-trainer run | check | estimate | evaluate | export MANIFEST`, and tools beside it."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from visionft_api.exit_codes import EXIT_CODES
from visionft_api.run_file import RunFile, load_run_file
from visionft_api.support import unsupported

from visionft_trainer.commands import check, ending, estimate, evaluate, export, report, run, verify
from visionft_trainer.commands.command import Call, Command, Tool
from visionft_trainer.errors import BadConfigError
from visionft_trainer.processes.launch import Member
from visionft_trainer.reporting.progress import Progress
from visionft_trainer.settings import DEVICES, Settings
from visionft_trainer.signals import Stop

COMMANDS: dict[str, Command | Tool] = {
    command.name: command
    for command in (
        run.COMMAND,
        check.COMMAND,
        estimate.COMMAND,
        evaluate.COMMAND,
        export.COMMAND,
        report.COMMAND,
        verify.COMMAND,
    )
}
PROGRAM = "visionft-trainer"
DESCRIPTION = "Fine-tune a vision-language model as a VisionFineTune manifest says: the same file that a cluster takes."
EXAMPLE = """\
example, on a workstation:
  visionft-trainer check digits.yaml --pvc digits=./digits
  visionft-trainer run digits.yaml --pvc digits=./digits

  The claim `digits` of the manifest is the folder ./digits. `visionft-trainer COMMAND --help` says more.
"""
MANIFEST_ENDINGS = (".yaml", ".yml", ".json")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code of the process."""
    stop = Stop()
    log = os.environ.get("VISIONFT_TERMINATION_LOG")
    number = 1
    try:
        stop.install()
        words = list(sys.argv[1:] if argv is None else argv)
        arguments = parse(words)
        logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s", stream=sys.stderr)
        logging.getLogger(__package__).setLevel(logging.WARNING if arguments.quiet else logging.INFO)
        command = COMMANDS[arguments.command]
        if isinstance(command, Tool):
            return command.execute(arguments)
        member = Member.from_environment(os.environ)
        if member is not None:
            member.prepare()
        settings = Settings.from_environment(os.environ, arguments.pvc, getattr(arguments, "device", None))
        run_file = load(arguments.manifest)
        number = run_file.run
        call = Call(arguments, words, run_file, settings, stop, member)
        return command.execute(call)
    except SystemExit:  # --help and wrong arguments
        raise
    except BaseException as error:
        stop.ignore()
        return ending.fail(ending.once(error), Path(log) if log else None, number, Progress())


def load(path: Path) -> RunFile:
    """The run that a manifest or run file describes.

    Raises:
        ManifestError: the file is wrong.
        BadConfigError: it is a folder, or asks for what this version does not do.
    """
    if path.is_dir():
        found = sorted(entry.name for entry in path.iterdir() if entry.suffix in MANIFEST_ENDINGS)[:3]
        such = f", such as {path / found[0]}" if found else ""
        raise BadConfigError(f"{path} is a folder. Give the manifest's file{such}.")
    if not path.exists():
        near = get_close_matches(path.name, [entry.name for entry in path.parent.glob("*")], n=1)
        meant = f" Did you mean {path.with_name(near[0])}?" if near else " Give the path of a VisionFineTune manifest."
        raise BadConfigError(f"{path}: there is no such file.{meant}")
    run_file = load_run_file(path)
    problems = unsupported(run_file.spec)
    if problems:
        raise BadConfigError("\n".join(f"{path}: {problem}" for problem in problems))
    return run_file


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The arguments. Ends the process, with exit code 0 for `--help` and 2 for wrong arguments."""
    parser = _parser()
    name = next((word for word in words if not word.startswith("-")), None)
    if name is not None and name not in COMMANDS:
        parser.error(_unknown(name))
    return parser.parse_args(words)


def _unknown(name: str) -> str:
    known = ", ".join(COMMANDS)
    near = get_close_matches(name, COMMANDS, n=1)
    if near:
        return f"there is no command {name!r}. Did you mean {near[0]}?"
    if name.endswith(MANIFEST_ENDINGS):
        return f"say what to do with {name}: {PROGRAM} run {name}, or one of {known}"
    return f"there is no command {name!r}. There are: {known}"


def _parser() -> argparse.ArgumentParser:
    codes = "exit codes:\n" + "\n".join(f"  {int(code):3d}  {info.meaning}" for code, info in EXIT_CODES.items())
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description=DESCRIPTION,
        epilog=f"{EXAMPLE}\n{codes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS.values():
        one = commands.add_parser(
            command.name,
            help=command.summary,
            description=command.description,
            epilog=f"example:\n{command.example}\n{codes}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if isinstance(command, Tool):
            command.add_options(one)
            continue
        one.add_argument(
            "manifest", metavar="MANIFEST", type=Path, help="a VisionFineTune as YAML or JSON, or the run file of a pod"
        )
        command.add_options(one)
        one.add_argument(
            "--pvc",
            metavar="CLAIM=DIR",
            action="append",
            default=[],
            help="the folder that stands for a claim; may be given several times",
        )
        if command.computes:
            one.add_argument(
                "--device", choices=DEVICES, help="what to compute on; auto (the default) follows spec.resources.gpus"
            )
        one.add_argument("--quiet", action="store_true", help="no progress, only the result or the error")
    return parser
