"""`visionft-trainer verify`."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TextIO

from visionft_api.exit_codes import ExitCode

from visionft_trainer.artifacts import verify
from visionft_trainer.artifacts.verify import Copy, FolderCopy, NotAnArtifactError, Tick, Verdict, origin_of, shown
from visionft_trainer.commands import ending, json_option
from visionft_trainer.commands.command import Tool
from visionft_trainer.errors import BadConfigError, StorageFailedError
from visionft_trainer.storage.folder import RUN_PREFIX

NOT_AS_IT_LEFT: Final = 3
"""Exit code where something was changed, is missing or was added."""
DESCRIPTION = """\
Check a copy of an artifact: every file against SHA256SUMS, and these against provenance.json.

PATH is the folder of an adapter or of a merged model, that of a run, one with runs below it, each of whose models is
then checked, or an OCI image layout. Names the first file that was changed, is missing or was added; else says where
the artifact comes from. Needs nothing but PATH. Nothing is signed: that the copy is the one that the run has left,
only --digest can tell, with the digest from the resource's status.
"""
EXAMPLE = """\
  visionft-trainer verify digits/tuned/run-1/adapter

  Ends with 0 where every file is as it left the trainer, 3 where one is not, 10 where there is no artifact, and 14
  where a file cannot be read.
"""
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
KINDS = ("adapter", "merged")
RUN = re.compile(rf"{RUN_PREFIX}(\d+)")
RUNS_BELOW = tuple(f"{above}{RUN_PREFIX}*" for above in ("", "*/", "*/*/"))
RUNS_ABOVE = "has runs at most two folders below it"
SHOWN_COPIES = 4
SHOWN_INPUTS = 8


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("path", metavar="PATH", type=Path, help="the copy of an artifact")
    parser.add_argument(
        "--digest", metavar="sha256:...", help="the digest that the artifact should have, as the status gives it"
    )
    json_option.add(parser, "what was found")
    parser.add_argument("--quiet", action="store_true", help="no progress, only the result or the error")


def execute(arguments: argparse.Namespace) -> int:
    """Verify and tell; gives the exit code. Raises `RunError` where there is nothing to verify."""
    if arguments.digest is not None and not DIGEST.fullmatch(arguments.digest):
        raise BadConfigError(
            f"--digest {shown(arguments.digest)}: write it as sha256: and 64 digits, as the status does."
        )
    copies = find(arguments.path)
    if arguments.digest is not None and len(copies) > 1:
        such = ", ".join(shown(copy.place) for copy in copies[:SHOWN_COPIES]) + (
            ", ..." if len(copies) > SHOWN_COPIES else ""
        )
        raise BadConfigError(
            f"--digest: {arguments.path} holds {len(copies)} artifacts. Give the folder of one: {such}."
        )
    try:
        with ticking(quiet=arguments.quiet) as tick:
            verdicts = [verify.verify(copy, arguments.digest, tick) for copy in copies]
    except NotAnArtifactError as error:
        raise BadConfigError(f"{arguments.path}: {shown(str(error))}.") from None
    except OSError as error:
        raise StorageFailedError(f"{arguments.path} cannot be read ({error}). Copy it again.") from error
    document = json.dumps([as_json(verdict) for verdict in verdicts], indent=2, ensure_ascii=False) + "\n"
    ending.show(json_option.shown(arguments.json, document, lambda stream: print_verdicts(verdicts, stream)))
    return NOT_AS_IT_LEFT if any(verdict.problem for verdict in verdicts) else ExitCode.SUCCESS


def find(path: Path) -> list[Copy]:
    """The artifacts at `path`. Raises `BadConfigError`."""
    from visionft_trainer.artifacts import oci_layout, provenance, sums

    marks = (sums.FILE, provenance.FILE)
    if not path.is_dir():
        raise BadConfigError(f"{path}: there is no such folder. Give the folder of an artifact.")
    if (path / oci_layout.MARKER).is_file():
        try:
            return list(oci_layout.copies(path))
        except NotAnArtifactError as error:
            raise BadConfigError(f"{path}: {shown(str(error))}. Copy the artifact again.") from None
    inner = [path / kind for kind in KINDS if any((path / kind / name).exists() for name in marks)]
    # The folder of a run has a provenance.json too, which is about both of its models.
    found = [path] if (path / sums.FILE).exists() else inner or [path] if (path / provenance.FILE).exists() else inner
    found = found or _of_runs(path)
    if not found:
        raise BadConfigError(
            f"{path}: there is no {sums.FILE}, so this is no artifact, or its upload or copy has not come to its end; "
            f"nor are there runs below it. Give the folder of an adapter, of a merged model, or one that {RUNS_ABOVE}."
        )
    return [FolderCopy(folder) for folder in found]


def _of_runs(path: Path) -> list[Path]:
    """The models of the runs below `path`, as runs lay them, in the order of their numbers."""
    runs = [
        (folder.parent, int(match[1]), folder)
        for pattern in RUNS_BELOW
        for folder in path.glob(pattern)
        if (match := RUN.fullmatch(folder.name))
    ]
    return [folder / kind for _, _, folder in sorted(runs) for kind in KINDS if (folder / kind).is_dir()]


def as_json(verdict: Verdict) -> dict[str, Any]:
    """What was found, for programs."""
    said: dict[str, Any] = {"path": verdict.place, "sound": verdict.problem is None, "digest": verdict.digest}
    if verdict.problem is not None:
        problem = verdict.problem
        return said | {"problem": {"file": problem.file, "what": problem.what, "detail": problem.detail}}
    return said | {"files": verdict.files, "bytes": verdict.size, "origin": origin_of(verdict)}


def print_verdicts(verdicts: list[Verdict], stream: TextIO) -> None:
    """A few lines for each artifact; what is wrong goes to standard error, as everything that fails."""
    for verdict in verdicts:
        if verdict.problem is not None:
            said = f"{shown(verdict.place)}: {verdict.problem}: {shown(verdict.problem.detail)}"
            sys.stderr.write(f"visionft-trainer: {said}.\n")
        else:
            _print_sound(verdict, stream)


def _print_sound(verdict: Verdict, stream: TextIO) -> None:
    origin = origin_of(verdict)
    stream.write(
        f"{shown(verdict.place)}: all {verdict.files} files are as they left the trainer, {verdict.size:,} bytes\n"
    )
    rows = [("digest", verdict.digest), ("made by", f"{origin.get('resource', '?')}, run {origin.get('run', '?')}")]
    rows += [(entry.get("name", "?"), _described(entry)) for entry in origin["inputs"][:SHOWN_INPUTS]]
    rows += [("trained", f"{origin.get('startedOn', '?')} to {origin.get('finishedOn', '?')}")]
    rows += [("with", f"visionft {origin.get('version', '?')} and {len(origin['packages'])} packages")]
    rows += [("signature", "none; --digest holds it against the digest in the resource's status")]
    for name, value in rows:
        stream.write(f"  {shown(name):<15} {shown(str(value))}\n")


def _described(entry: dict[str, str]) -> str:
    uri, digest = entry.get("uri", "?"), entry.get("digest", "")
    return uri if not digest or digest.partition(":")[2] in uri else f"{uri} ({digest})"


@contextmanager
def ticking(*, quiet: bool) -> Iterator[Tick]:
    """Shows how much was read, in a terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


COMMAND = Tool(
    "verify", "check a copy of an artifact, and say where it comes from", DESCRIPTION, EXAMPLE, add_options, execute
)
