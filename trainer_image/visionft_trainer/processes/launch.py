"""Several processes on this machine for one run: starting them, passing signals on, and one word at the end.

The parent computes nothing and imports no torch. Each worker is this program again with torchrun's variables (RANK,
WORLD_SIZE, LOCAL_RANK) in its environment; one started by torchrun itself, on several machines, behaves the same. A
worker that fails says why in a file; the parent ends the others, tells the first cause, and exits with its code. Why
not torchrun's own agent: docs/decisions/0009-processes-of-a-run.md. Where memory was out in the middle of a layer that
is shared out, the parent starts all of them anew with smaller micro-batches: docs/decisions/0014-halving-with-fsdp.md.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from visionft_api.exit_codes import EXIT_CODES, ExitCode
from visionft_api.spec import ResourcesSpec

from visionft_trainer.errors import BadConfigError, Interrupted
from visionft_trainer.failures import Failure, classify
from visionft_trainer.storage import atomic

RANK, SIZE, LOCAL_RANK = "RANK", "WORLD_SIZE", "LOCAL_RANK"  # torchrun's names
TEAM_FOLDER = "VISIONFT_TEAM_FOLDER"
PARENT = "VISIONFT_TEAM_PARENT"
PROGRAM = (sys.executable, "-m", "visionft_trainer")
PROCESSES = "VISIONFT_PROCESSES"
MAX_PROCESSES = 16  # on one machine, as spec.resources.gpus allows

POLL_SECONDS = 0.1
GRACE_SECONDS = 20.0
"""For the other workers to end by themselves after one was interrupted: by then the checkpoint is written."""
PR_SET_PDEATHSIG = 1
INTERRUPTED = (int(ExitCode.TERMINATED), 128 + signal.SIGINT)
UNHEARD = (-signal.SIGTERM, -signal.SIGINT)  # the signal came before the worker listened for it
HALVED_FILE = "halved.json"  # in the team's folder: what earlier processes of this run found out about memory
IDLE_FILE = "idle"  # in the team's folder: there is nothing to train
WANTED_FILE = "halve.json"  # in the team's folder: what a process asks for that is out of memory


def processes(resources: ResourcesSpec, env: Mapping[str, str], flag: int | None) -> int:
    """How many processes train on this machine: the flag, the environment, or one for each GPU.

    Raises:
        BadConfigError: the environment's number is none, or the number is out of bounds.
    """
    text = env.get(PROCESSES)
    try:
        number = flag if flag is not None else int(text) if text else max(resources.gpus, 1)
    except ValueError:
        raise BadConfigError(f"{PROCESSES} is {text!r}; set it to a number of processes, or remove it.") from None
    if not 1 <= number <= MAX_PROCESSES:
        raise BadConfigError(f"{number} processes: this machine may run 1 to {MAX_PROCESSES} for one training.")
    if resources.gpus and number > resources.gpus:
        raise BadConfigError(
            f"{number} processes for spec.resources.gpus {resources.gpus}: each needs a GPU of its own. Lower one or "
            "raise the other."
        )
    return number


@dataclass(frozen=True)
class Halved:
    """What processes that begin again are told."""

    micro_batch: int
    """The largest that there is memory for."""
    notes: tuple[str, ...]
    """For people: what happened, once for each time."""

    @classmethod
    def read(cls, file: Path) -> Halved | None:
        """None where memory was not out."""
        if not file.exists():
            return None
        document = json.loads(file.read_text(encoding="utf-8"))
        return cls(document["micro_batch"], tuple(document["notes"]))

    def write(self, file: Path) -> None:
        atomic.write_text(file, json.dumps(asdict(self)))


class TeamOutOfMemoryError(RuntimeError):
    """Memory is out in one process while the others wait for it: all must begin again, in smaller micro-batches."""

    def __init__(self, problem: str, halved: Halved) -> None:
        super().__init__(problem)
        self.halved = halved


@dataclass(frozen=True)
class Member:
    """One worker, as its environment says."""

    rank: int
    size: int
    folder: Path
    """Shared by all workers of the machine while they run."""

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> Member | None:
        """None in a run of one process."""
        if int(env.get(SIZE, "1")) < 2:
            return None
        folder = env.get(TEAM_FOLDER)
        if not folder:
            raise BadConfigError(
                f"{SIZE} is {env[SIZE]}, but {TEAM_FOLDER} is not set. Set it to a folder that all processes share, or "
                "start one visionft-trainer, which starts the others."
            )
        return cls(int(env[RANK]), int(env[SIZE]), Path(folder))

    def prepare(self) -> None:
        """To be called first: choose this worker's GPU, and end with the parent, whatever ends it."""
        visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
        local = int(os.environ.get(LOCAL_RANK, self.rank))
        os.environ["CUDA_VISIBLE_DEVICES"] = visible[local] if local < len(visible) else str(local)
        parent = os.environ.get(PARENT)
        if parent is not None:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != int(parent):
                sys.exit(ExitCode.KILLED)

    @property
    def halved(self) -> Halved | None:
        """What earlier processes of this run found out about memory."""
        return Halved.read(self.folder / HALVED_FILE)

    def release(self) -> None:
        """Let the others go: process 0 has found that there is nothing to train."""
        (self.folder / IDLE_FILE).touch()

    def tell(self, failure: Failure, error: BaseException) -> None:
        """Leave word of how this worker failed."""
        text = json.dumps({**asdict(failure), "time": time.monotonic_ns()})
        atomic.write_text(self.folder / f"failure-{self.rank}.json", text)
        if isinstance(error, TeamOutOfMemoryError):
            error.halved.write(self.folder / WANTED_FILE)


@dataclass(frozen=True)
class Cause:
    """Why a run of several processes failed."""

    rank: int
    failure: Failure
    silent: bool = False
    """Whether the process could say nothing itself."""


def launch(arguments: Sequence[str], number: int) -> Cause | None:
    """Run `visionft-trainer ARGUMENTS` in `number` processes: None when all went well, else the first cause.

    Process 0 prints and writes what a run in one process would; failures are left to the caller.
    """
    signals: list[int] = []
    workers: list[subprocess.Popen[bytes]] = []

    def pass_on(signum: int, _: object) -> None:
        signals.append(signum)
        for worker in workers:
            if worker.poll() is None:
                worker.send_signal(signum)

    before = {signum: signal.signal(signum, pass_on) for signum in (signal.SIGTERM, signal.SIGINT)}
    halved: Halved | None = None
    try:
        while True:
            with tempfile.TemporaryDirectory(prefix="visionft-team-") as name:
                folder = Path(name)
                if halved is not None:
                    halved.write(folder / HALVED_FILE)
                cause = _work(arguments, number, folder, workers)
                wanted = Halved.read(folder / WANTED_FILE)
            if wanted is None or cause is None:
                return cause
            if signals:
                return Cause(0, _interruption(signals[0]), silent=True)
            halved = Halved(wanted.micro_batch, (*(halved.notes if halved else ()), *wanted.notes))
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _work(arguments: Sequence[str], number: int, folder: Path, workers: list[subprocess.Popen[bytes]]) -> Cause | None:
    """One try in `number` processes, which are in `workers` while they run."""
    workers.extend(_start(arguments, rank, number, folder) for rank in range(number))
    try:
        codes = _watch(workers, folder)
    finally:
        for worker in workers:
            if worker.poll() is None:
                worker.kill()
        for worker in workers:
            worker.wait()
        workers.clear()
    return _cause(codes, folder)


def _start(arguments: Sequence[str], rank: int, number: int, folder: Path) -> subprocess.Popen[bytes]:
    cores = len(os.sched_getaffinity(0))
    env = {
        "OMP_NUM_THREADS": str(max(1, cores // number)),
        **os.environ,
        RANK: str(rank),
        LOCAL_RANK: str(rank),
        SIZE: str(number),
        TEAM_FOLDER: str(folder),
        PARENT: str(os.getpid()),
        "GLOO_SOCKET_IFNAME": "lo",  # all of them are on this machine
    }
    command = [*PROGRAM, *arguments]
    # A session of its own: Ctrl-C goes to the parent alone, which passes it on.
    return subprocess.Popen(command, env=env, start_new_session=True)  # noqa: S603


def _watch(workers: Sequence[subprocess.Popen[bytes]], folder: Path) -> list[int | None]:
    """Until all have ended, or one has failed and the others have had their time to end by themselves.

    One that asks for smaller micro-batches has failed, also where it cannot end for waiting on the others' GPUs.

    Gives their exit codes; None for one that is still running.
    """
    patience: float | None = None
    while True:
        codes = [worker.poll() for worker in workers]
        if None not in codes or any(code not in (None, 0, *INTERRUPTED, *UNHEARD) for code in codes):
            return codes
        if (folder / WANTED_FILE).exists():
            return codes
        if any(code in (*INTERRUPTED, *UNHEARD) for code in codes):
            patience = patience or time.monotonic() + GRACE_SECONDS
            if codes[0] is not None or time.monotonic() > patience:
                return codes
        time.sleep(POLL_SECONDS)


def _cause(codes: Sequence[int | None], folder: Path) -> Cause | None:
    """Why the run failed, from how the workers ended and what they said.

    A worker that was killed says nothing, and the others then fail for want of it: it is the cause.
    """
    said = {int(path.stem.rpartition("-")[2]): json.loads(path.read_text()) for path in folder.glob("failure-*.json")}
    for rank, code in enumerate(codes):
        if code not in (None, 0) and rank not in said:
            return Cause(rank, _silent(rank, len(codes), int(code or 0)), silent=True)
    if not said:
        return None
    rank, first = min(said.items(), key=lambda item: (item[1]["exit_code"] == ExitCode.TRAINER_ERROR, item[1]["time"]))
    return Cause(rank, Failure(first["exit_code"], first["message"], first["detail"]))


def _silent(rank: int, number: int, code: int) -> Failure:
    if code == -signal.SIGKILL:
        mend = EXIT_CODES[ExitCode.KILLED].mend
        return Failure(ExitCode.KILLED, f"Process {rank} of {number} was killed from outside: {mend}.")
    if code in UNHEARD:
        return _interruption(-code)
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return Failure(ExitCode.TRAINER_ERROR, f"Process {rank} of {number} ended without a word ({how}). See the log.")


def _interruption(signum: int) -> Failure:
    return classify(Interrupted(f"stopped by {signal.Signals(signum).name}", 128 + signum))
