"""Local processes that stand in for containers.

A container's process leads a session of its own. Everything it starts, even in other sessions, is
found again by a marker in its environment and ends with it, as a container's processes end with
its first one.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

MARKER = "SANDBOX_CONTAINER"
"""Variable "<node instance>/<container id>" that every process of a container carries."""

SIGNAL_EXIT_BASE = 128


class StartError(Exception):
    """The program cannot be started: kubelet's StartError, exit code 128. Not retried by itself."""


class ContainerProcess:
    """One running process with its descendants."""

    def __init__(self, popen: "subprocess.Popen[bytes]", marker: str) -> None:
        self.pid = popen.pid
        self._popen = popen
        self.marker = marker
        self._exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._pidfd = os.pidfd_open(popen.pid)
        asyncio.get_running_loop().add_reader(self._pidfd, self._on_exit)

    @classmethod
    def start(
        cls, argv: Sequence[str], env: Mapping[str, str], cwd: Path, log: Path, instance: str, container_id: str
    ) -> "ContainerProcess":
        """Start argv with exactly this environment (plus the marker), output going to the log file.

        Raises:
            StartError: the program is not found or cannot be executed.
        """
        marker = f"{instance}/{container_id}"
        program = _find_program(argv[0], env.get("PATH", ""), cwd)
        with log.open("ab") as output:
            try:
                popen = subprocess.Popen(
                    [argv[0], *argv[1:]],
                    executable=program,
                    env={**env, MARKER: marker},
                    cwd=cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            except OSError as error:
                raise StartError(_runtime_error(f"exec {program}: {(error.strerror or str(error)).lower()}")) from error
        return cls(popen, marker)

    async def wait(self) -> int:
        """The exit code, 128 + N after signal N. By then no process of the container is left."""
        return await asyncio.shield(self._exited)

    def signal(self, number: int) -> None:
        """Send a signal to the container's first process."""
        if not self._exited.done():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def kill_all(self) -> None:
        """SIGKILL every process of the container."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        kill_marked(self.marker)

    def _on_exit(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        # The group is named by the first process: it must be signalled before that process is reaped.
        self.kill_all()
        code = self._popen.wait()
        self._exited.set_result(code if code >= 0 else SIGNAL_EXIT_BASE - code)


def kill_marked(prefix: str) -> int:
    """SIGKILL every process whose marker starts with the prefix; how many there were."""
    pids = list(marked_processes(prefix))
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    return len(pids)


def marked_processes(prefix: str) -> Iterator[int]:
    """The living processes whose marker starts with the prefix."""
    needle = f"{MARKER}={prefix}".encode()
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            variables = Path(entry.path, "environ").read_bytes().split(b"\0")
            if any(variable.startswith(needle) for variable in variables):
                yield int(entry.name)


def _find_program(name: str, path: str, cwd: Path) -> str:
    if "/" in name:
        program = cwd / name
        if not program.exists():
            raise StartError(_runtime_error(f'exec: "{name}": stat {name}: no such file or directory'))
        if program.is_dir() or not os.access(program, os.X_OK):
            raise StartError(_runtime_error(f'exec: "{name}": permission denied'))
        return str(program)
    found = shutil.which(name, path=path)
    if found is None:
        raise StartError(_runtime_error(f'exec: "{name}": executable file not found in $PATH'))
    return found


def _runtime_error(cause: str) -> str:
    """The wrapping that containerd and runc give to a program that cannot be started."""
    return (
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
        f"unable to start container process: error during container init: {cause}: unknown"
    )
