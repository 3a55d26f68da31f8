"""Runs of the trainer as a user starts them, interrupted from outside: by signals, torn checkpoints and a full disk."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import psutil

from support.tiny_data import write_numbers
from support.tiny_models import tiny_qwen2_vl
from support.tiny_spec import DATA_CLAIM, MODEL_CLAIM, OUTPUT_CLAIM, write_manifest

Kind = Literal["SIGTERM", "SIGKILL of all", "SIGKILL of one process", "torn checkpoint", "full disk"]
KINDS: tuple[Kind, ...] = ("SIGTERM", "SIGKILL of all", "SIGKILL of one process", "torn checkpoint", "full disk")
FULL_DISK_BYTES = 80_000
"""No file may grow beyond this, which the optimizer's state does: the kernel refuses it inside a checkpoint."""
DEADLINE_SECONDS = 600.0


def make_claims(place: Path) -> Path:
    """A tiny model, 24 rows to learn from and 6 to measure on."""
    tiny_qwen2_vl(place / MODEL_CLAIM / "tiny")
    write_numbers(place / DATA_CLAIM, "train.jsonl", 24)
    write_numbers(place / DATA_CLAIM, "validation.jsonl", 6, first=60)
    return place


@dataclass(frozen=True)
class Case:
    """A way to train, of which runs are interrupted."""

    name: str
    processes: int
    sections: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Outcome:
    """One interruption, and what became of the run."""

    case: str
    processes: int
    kind: str
    exit_code: int
    step: int
    """The newest step that has a checkpoint after it."""
    largest_difference: float
    """Between the losses that this checkpoint's history holds and those of the undisturbed run."""
    said: str = ""
    """The last line that the trainer wrote."""


class Started(Protocol):
    """As much of `subprocess.Popen` as is used."""

    pid: int

    def poll(self) -> int | None:
        """The exit code; None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once it has ended."""

    def send_signal(self, number: int, /) -> None:
        """Nothing where it has ended."""


class StartProgram(Protocol):
    """Starts `visionft-trainer ARGUMENTS`; no file that it writes may grow beyond `file_limit` bytes."""

    def __call__(self, arguments: Sequence[str], env: dict[str, str], log: Path, *, file_limit: int | None) -> Started:
        """What it prints goes to `log`."""


def start_program(arguments: Sequence[str], env: dict[str, str], log: Path, *, file_limit: int | None) -> Started:
    """As a user starts it."""
    limit = (lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit,) * 2)) if file_limit else None
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "visionft_trainer", *arguments],
            env=os.environ | env, stdout=output, stderr=output, preexec_fn=limit,
        )  # fmt: skip


class Runs:
    """Starts one case's run in its own output folder, again and again."""

    def __init__(self, case: Case, claims: Path, place: Path, start_program: StartProgram = start_program) -> None:
        self._start_program = start_program
        self.case = case
        self.claims = claims
        self.output = place / OUTPUT_CLAIM
        self.output.mkdir(parents=True)
        self.manifest = write_manifest(place / "manifest.json", **case.sections)
        self.log = place / "log"

    @property
    def folder(self) -> Path:
        return self.output / "tiny" / "run-1"

    def start(self, *, full_disk: bool = False) -> Started:
        """The trainer's command."""
        folders = {MODEL_CLAIM: self.claims / MODEL_CLAIM, DATA_CLAIM: self.claims / DATA_CLAIM}
        claims = [f"--pvc={name}={folder}" for name, folder in {**folders, OUTPUT_CLAIM: self.output}.items()]
        arguments = ["run", str(self.manifest), *claims, "--quiet", "--device=cpu"]
        return self._start_program(
            [*arguments, f"--processes={self.case.processes}"],
            {"OMP_NUM_THREADS": "1"},
            self.log,
            file_limit=FULL_DISK_BYTES if full_disk else None,
        )

    def finish(self) -> list[tuple[int, float]]:
        """Run to the end; the losses of all steps."""
        process = self.start()
        if process.wait(DEADLINE_SECONDS):
            raise AssertionError(self.log.read_text(errors="replace")[-4000:])
        result = json.loads((self.folder / "result.json").read_text())
        return [(point["step"], point["loss"]) for point in result["curve"] if "loss" in point]

    def steps(self) -> list[int]:
        """Steps that have a checkpoint, newest last."""
        names = [path.name for path in (self.folder / "checkpoints").glob("checkpoint-*")]
        return sorted(int(name.rpartition("-")[2]) for name in names)

    def said(self) -> str:
        """What the trainer wrote last."""
        return self.log.read_text(errors="replace").rstrip().rpartition("\n")[2]

    def history(self, step: int) -> list[tuple[int, float]]:
        """The losses that a checkpoint knows of."""
        state = json.loads((self.folder / "checkpoints" / f"checkpoint-{step}" / "trainer_state.json").read_text())
        return [(entry["step"], entry["loss"]) for entry in state["log_history"] if "loss" in entry]

    def interrupt(self, kind: Kind, random: random.Random) -> int:
        """Start the run and interrupt it at a random moment; gives its exit code (0 where it was quicker)."""
        before = self.steps()
        process = self.start(full_disk=kind == "full disk")
        if kind != "full disk":
            new = random.randint(1, 3)  # checkpoints to wait for
            until(lambda: process.poll() is not None or len(set(self.steps()) - set(before)) >= min(new, 2)
                  or max(self.steps(), default=0) >= max(before, default=0) + 2 * new)  # fmt: skip
            deadline = time.monotonic() + random.uniform(0, 0.5)
            until(lambda: process.poll() is not None or time.monotonic() >= deadline)
            family = [process.pid, *(child.pid for child in children(process.pid))]
            if kind == "SIGTERM":
                process.send_signal(signal.SIGTERM)
            elif process.poll() is None:
                victim = random.choice(family) if kind == "SIGKILL of one process" else family[0]
                os.kill(victim, signal.SIGKILL)
        code = process.wait(DEADLINE_SECONDS)
        until(lambda: not any(psutil.pid_exists(pid) for pid in (family if kind != "full disk" else [])))
        if kind == "torn checkpoint" and self.steps():
            tear(self.folder / "checkpoints" / f"checkpoint-{self.steps()[-1]}", random)
        return code


def tear(checkpoint: Path, random: random.Random) -> None:
    """Damage one file of a checkpoint: cut it off, remove it, or change a byte."""
    file = random.choice(sorted(path for path in checkpoint.iterdir() if path.stat().st_size))
    content = bytearray(file.read_bytes())
    how = random.choice(["cut", "gone", "changed"])
    if how == "gone":
        file.unlink()
    elif how == "cut":
        file.write_bytes(content[: random.randrange(len(content))])
    else:
        content[random.randrange(len(content))] ^= 0xFF
        file.write_bytes(content)


def children(pid: int) -> list[psutil.Process]:
    """All processes below `pid`; none when it is gone."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def until(condition: Callable[[], bool]) -> None:
    """Wait for `condition`; an error when it does not come."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not happen")
        time.sleep(0.02)


def largest_difference(found: Sequence[tuple[int, float]], expected: Sequence[tuple[int, float]]) -> float:
    """Between losses of the same steps, which must all be there from the first on."""
    assert [step for step, _ in found] == [step for step, _ in expected[: len(found)]]
    return max((abs(a - b) for (_, a), (_, b) in zip(found, expected, strict=False)), default=0.0)


def interrupt_all(
    cases: Sequence[Case],
    wanted: int,
    claims: Path,
    place: Path,
    start_program: StartProgram,
    chance: random.Random,
    note: Callable[[dict[str, object]], None],
) -> None:
    """`wanted` interruptions, shared among `cases`; `note` gets an entry for each, and one for each end of a run."""
    done = 0
    for number, case in enumerate(cases):
        whole = Runs(case, claims, place / f"{number}-whole", start_program).finish()
        runs = Runs(case, claims, place / f"{number}-broken", start_program)
        share = (wanted - done) // (len(cases) - number)
        for _ in range(share):
            kind = chance.choice(KINDS)
            code = runs.interrupt(kind, chance)
            sound = [step for step in runs.steps() if _history_is_readable(runs, step)]
            step = max(sound, default=0)
            difference = largest_difference(runs.history(step) if step else [], whole)
            note(dataclasses.asdict(Outcome(case.name, case.processes, kind, code, step, difference, runs.said())))
            done += 1
            if (runs.folder / "result.json").exists():  # it came to its end: begin another one
                _compare(runs, case, whole, note)
                runs = Runs(case, claims, place / f"{number}-broken-{done}", start_program)
        _compare(runs, case, whole, note)


def _history_is_readable(runs: Runs, step: int) -> bool:
    """Whether a checkpoint still tells its history: a torn one may not."""
    try:
        runs.history(step)
    except (OSError, ValueError, KeyError):
        return False
    return True


def _compare(runs: Runs, case: Case, whole: list[tuple[int, float]], note: Callable[[dict[str, object]], None]) -> None:
    """Let an interrupted run come to its end and hold it against the undisturbed one."""
    found = runs.finish()
    note({
        "case": case.name, "processes": case.processes, "end": True, "steps": len(found), "expected": len(whole),
        "largest_difference": largest_difference(found, whole) if len(found) == len(whole) else None,
    })  # fmt: skip
