"""`visionft-trainer report`."""

from __future__ import annotations

import argparse
from pathlib import Path

from visionft_api.exit_codes import ExitCode

from visionft_trainer.commands import ending
from visionft_trainer.commands.command import Tool
from visionft_trainer.errors import BadConfigError, StorageFailedError
from visionft_trainer.storage.folder import PAGE_FILE

DESCRIPTION = """\
Write the page of a run again, from the run's folder alone: neither the data nor the model is needed.

RUN_FOLDER is what `run` has written, such as run-1 below spec.output.pvc; it stays as it is. The page is one file that
opens anywhere without a network; a JSON file with the same figures is written beside it. Works for runs that are under
way or have failed, too: the page then shows what is known.
"""
EXAMPLE = """\
  visionft-trainer report digits/tuned/run-1 --out digits.html

  Writes digits.html, and digits.json beside it.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "folder", metavar="RUN_FOLDER", type=Path, help="the folder of a run, such as digits/tuned/run-1"
    )
    parser.add_argument(
        "--out", metavar="FILE", type=Path, default=Path(PAGE_FILE), help=f"the page to write; absent: {PAGE_FILE} here"
    )
    parser.add_argument("--quiet", action="store_true", help="only the result or the error")


def execute(arguments: argparse.Namespace) -> int:
    """Write the page and say where it is; gives the exit code. Raises `RunError`."""
    from visionft_trainer.page import read, stage

    out: Path = arguments.out
    if out.is_dir():
        raise BadConfigError(f"--out {out}: is a folder. Name the page's file, such as {out / PAGE_FILE}.")
    if out.exists() and not out.is_file():
        raise BadConfigError(f"--out {out}: is no plain file, and cannot be replaced. Name another.")
    if out.suffix == stage.JSON_SUFFIX:
        named = out.with_suffix(Path(PAGE_FILE).suffix)
        raise BadConfigError(f"--out {out}: the figures go there. Name the page's file, such as {named}.")
    try:
        page = stage.write(read.open_folder(arguments.folder), out=out)
    except OSError as error:
        raise StorageFailedError(f"--out {out} cannot be written ({error}). Name another file.") from error
    ending.show(lambda stream: print(page, page.with_suffix(stage.JSON_SUFFIX), sep="\n", file=stream))
    return ExitCode.SUCCESS


COMMAND = Tool(
    "report",
    "write the page of a run again: curves, figures with their intervals, sample pictures with both answers",
    DESCRIPTION,
    EXAMPLE,
    add_options,
    execute,
)
