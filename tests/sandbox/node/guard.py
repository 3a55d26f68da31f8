"""Ends every container process when the node process is gone, however it went.

Started by the node with the read end of a pipe as standard input; the end of that pipe is the end
of the node, even after SIGKILL. A parent-death signal would reach only the first process of each
container: its children (data loaders, torchrun's workers) would go on.
"""

import os
import subprocess
import sys
import time

from sandbox.node.process import kill_marked

TRIES = 50
PAUSE_SECONDS = 0.02


class Guard:
    """The guard of this node, watching for as long as the object lives."""

    def __init__(self, instance: str) -> None:
        reader, self._writer = os.pipe()
        command = [sys.executable, "-m", "sandbox.node.guard", instance]
        env = {"PYTHONPATH": ":".join(entry for entry in sys.path if entry)}
        self._process = subprocess.Popen(command, stdin=reader, env=env, start_new_session=True)
        os.close(reader)

    def release(self) -> None:
        """Let the guard do its work now, and wait until it has."""
        os.close(self._writer)
        self._process.wait()


def main() -> None:
    """Wait for the node's end, then kill until nothing is left: a dying process may fork once more."""
    sys.stdin.buffer.read()
    for _ in range(TRIES):
        if not kill_marked(f"{sys.argv[1]}/"):
            return
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    main()
