"""Building a server from its Go sources, kept per version of these, and waiting until it listens."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import time
from pathlib import Path

from sandbox.build import BuildError, find_go
from sandbox.ports import listens
from sandbox.processes import Child

from support import patience

CACHE = Path(__file__).parents[2] / ".cache"


def ensure_built(sources: Path) -> Path:
    """The binary of the module in `sources`, built when these have changed: about a minute. Raises `BuildError`."""
    names = ("main.go", "go.mod", "go.sum")
    digest = hashlib.sha256(b"".join((sources / name).read_bytes() for name in names)).hexdigest()[:16]
    cache = CACHE / sources.name
    binary = cache / digest / sources.name
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the second builder waits and finds the first one's work
        if binary.exists():
            return binary
        binary.parent.mkdir(exist_ok=True)
        draft = binary.with_name("draft")
        command = [str(find_go()), "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", str(draft), "."]
        environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "local"}
        done = subprocess.run(command, cwd=sources, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BuildError("go build failed:\n" + done.stderr[-2000:])
        draft.rename(binary)
    return binary


def await_port(child: Child, port: int, what: str) -> None:
    """Wait until `child` listens. Raises `RuntimeError` with its last words when it does not."""
    deadline = time.monotonic() + patience.SECONDS
    while not listens(port):
        if not child.running or time.monotonic() > deadline:
            raise RuntimeError(f"{what} did not start:\n{child.last_words()}")
        time.sleep(0.02)
