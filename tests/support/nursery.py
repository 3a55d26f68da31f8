"""A process that has the trainer's libraries loaded and forks one program after the other from itself.

Loading them takes ten times as long as what most tests see of a program. pytest cannot fork itself: it has threads.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TextIO, cast

MESSAGE_BYTES = 2**20
PAUSE_SECONDS = 0.01


class Nursery:
    """Starts programs. Requests are answered one after the other."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        path = os.pathsep.join(path for path in sys.path if path)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "support.nursery", str(theirs.fileno())],
                env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
                pass_fds=[theirs.fileno()],
            )

    def start_program(
        self, arguments: Sequence[str], env: dict[str, str], log: Path, *, file_limit: int | None = None
    ) -> Born:
        """`visionft-trainer ARGUMENTS` with `env` added to the environment; what it prints goes to `log`."""
        with log.open("ab") as output:
            return self.start(arguments, dict(os.environ) | env, output.fileno(), output.fileno(), file_limit)

    def start(
        self, arguments: Sequence[str], env: dict[str, str], out: int, err: int, file_limit: int | None = None
    ) -> Born:
        """The same with exactly this environment, and descriptors for what it prints."""
        request = {"arguments": list(arguments), "env": env, "file_limit": file_limit}
        return Born(self, int(self.ask(request, [out, err])))

    def start_piped(self, arguments: Sequence[str], env: dict[str, str]) -> Piped:
        """The same with a pipe for each of its outputs."""
        (out, their_out), (err, their_err) = os.pipe(), os.pipe()
        try:
            born = self.start(arguments, env, their_out, their_err)
        finally:
            os.close(their_out)
            os.close(their_err)
        return Piped(born, os.fdopen(out, encoding="utf-8"), os.fdopen(err, encoding="utf-8"))

    def ask(self, request: dict[str, Any], files: Sequence[int] = ()) -> Any:
        """Send a request and take the answer."""
        socket.send_fds(self._socket, [json.dumps(request).encode()], list(files))
        answer = self._socket.recv(MESSAGE_BYTES)
        if not answer:
            raise AssertionError("the nursery is gone")
        return json.loads(answer)

    def close(self) -> None:
        """End it."""
        self._socket.close()
        self._process.wait()


class Born:
    """As much of `subprocess.Popen` as is used of a program that was forked elsewhere."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self._nursery = nursery
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        if self.returncode is None:
            self.returncode = cast("int | None", self._nursery.ask({"poll": self.pid}))
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, once it has ended."""
        end = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired("visionft-trainer", timeout or 0)
            time.sleep(PAUSE_SECONDS)
        return code

    def send_signal(self, number: int) -> None:
        """Nothing where it has ended already."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


@dataclass
class Piped:
    """A program and what it prints."""

    _born: Born
    stdout: TextIO
    stderr: TextIO

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._born.poll()

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, once it has ended."""
        return self._born.wait(timeout)

    def send_signal(self, number: int) -> None:
        """Nothing where it has ended already."""
        self._born.send_signal(number)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """All that it prints, once it has ended."""
        with ThreadPoolExecutor(2) as pool:
            out, err = pool.map(lambda stream: stream.read(), (self.stdout, self.stderr))
        self.wait(timeout)
        return out, err

    @property
    def returncode(self) -> int | None:
        """Its exit code, once `wait` or `poll` has seen it."""
        return self._born.returncode


def main() -> NoReturn:
    """The nursery's side."""
    from support import forked

    forked.load_libraries()
    requests = socket.socket(fileno=int(sys.argv[1]))
    programs: dict[int, forked.Forked] = {}
    while True:
        message, files, _, _ = socket.recv_fds(requests, MESSAGE_BYTES, 2)
        if not message:
            os._exit(0)  # at once: taking the libraries down takes seconds
        request = json.loads(message)
        if "poll" in request:
            answer = programs[request["poll"]].poll()
        else:

            def program(request: dict[str, Any] = request, files: list[int] = files) -> int:
                requests.close()
                os.environ.clear()
                os.environ.update(request["env"])
                return forked.be_program(request["arguments"], files[0], files[1], request["file_limit"])

            born = forked.Forked(program)
            programs[born.pid] = born
            answer = born.pid
            for file in files:
                os.close(file)
        requests.send(json.dumps(answer).encode())


if __name__ == "__main__":
    main()
