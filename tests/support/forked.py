"""Starting the trainer by a fork of a process that has the libraries loaded already.

Loading them takes ten times as long as what is interrupted here. All else is as with a program that was started anew:
processes of their own, signals, exit codes.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from visionft_trainer import cli
from visionft_trainer.processes import launch

from support import short_of_memory


class Forked:
    """As much of `subprocess.Popen` as is used here."""

    def __init__(self, work: Callable[[], int]) -> None:
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                code = work()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        end = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired("visionft-trainer", timeout or 0)
            time.sleep(0.01)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def load_libraries() -> None:
    """What every process would load. No thread is started by it."""
    from visionft_trainer import libraries

    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    libraries.quiet()
    import bitsandbytes  # noqa: F401
    import peft  # noqa: F401
    from transformers import AutoModelForImageTextToText, AutoProcessor  # noqa: F401
    from visionft_trainer.training import train  # noqa: F401


def start_program(arguments: Sequence[str], env: dict[str, str], log: Path, *, file_limit: int | None) -> Forked:
    """Fork, and be `visionft-trainer ARGUMENTS` there."""

    def program() -> int:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.environ.update(env)
        return be_program(arguments, output, output, file_limit)

    return Forked(program)


def be_program(arguments: Sequence[str], out: int, err: int, file_limit: int | None) -> int:
    """To be called in a fork: `visionft-trainer ARGUMENTS` with these files as its outputs; gives its exit code."""
    os.dup2(out, 1)
    os.dup2(err, 2)
    if file_limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    launch._start = start_worker
    return cli.main(list(arguments))


def start_worker(arguments: Sequence[str], rank: int, number: int, folder: Path) -> Forked:
    """In place of `launch._start`."""
    parent = os.getpid()

    def worker() -> int:
        os.setsid()
        os.environ.update({
            launch.RANK: str(rank), launch.LOCAL_RANK: str(rank), launch.SIZE: str(number),
            launch.TEAM_FOLDER: str(folder), launch.PARENT: str(parent), "GLOO_SOCKET_IFNAME": "lo",
        })  # fmt: skip
        if short_of_memory.ENVIRONMENT in os.environ:
            short_of_memory.strike(os.environ[short_of_memory.ENVIRONMENT])
        return cli.main(list(arguments))

    return Forked(worker)
