"""Child processes that die with this one, even when it is killed with -9."""

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

STOP_SECONDS = 10
# Deletes the folder once its standard input closes; tries again while dying children still write.
_JANITOR = 'cat >/dev/null; for i in $(seq 50); do rm -rf -- "$1" 2>/dev/null; [ -e "$1" ] || exit 0; sleep 0.2; done'


class Child:
    """A process whose standard input is a pipe that we never write to: when we die it closes, and the child ends."""

    def __init__(
        self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            # A session of its own, so that Ctrl-C in the terminal reaches only us and we end things in order.
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=environment,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def stop(self, *, hard: bool = False) -> None:
        """End it by SIGTERM and, when it does not heed that in time, by SIGKILL; `hard` is SIGKILL at once."""
        if not hard:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                hard = True
        if hard:
            self._process.kill()
            self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def last_words(self, lines: int = 15) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


class WorkFolder:
    """A temporary folder that is removed by `close`, or by a janitor when this process dies before that."""

    def __init__(self) -> None:
        # A short path: unix sockets below it may have 107 characters.
        self.path = Path(tempfile.mkdtemp(prefix="vft-sandbox-"))
        self._janitor = subprocess.Popen(
            ["sh", "-c", _JANITOR, "janitor", str(self.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def close(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        assert self._janitor.stdin is not None
        self._janitor.stdin.close()
        self._janitor.wait()
