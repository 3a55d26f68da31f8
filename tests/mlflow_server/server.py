"""Install and start the MLflow server: `with running() as url: ...`. Kept installed for each state of its lock."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2 as httpx
from sandbox.ports import free_ports
from sandbox.processes import Child

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "locks" / "mlflow-server.txt"
CACHE = ROOT / ".cache" / "mlflow-server"
START_SECONDS = 240
# The server starts workers of its own, which a polite signal does not always end: the whole group goes when we stop it,
# and when we die, which closes the pipe.
LEASH = 'trap "kill -KILL 0" TERM; "$@" & read _; kill -KILL 0'


def ensure_installed() -> Path:
    """The server's Python, installed when its lock has changed: about half a minute."""
    home = CACHE / hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]
    python = home / "bin" / "python"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the second installer waits and finds the first one's work
        ready = home / ".ready"
        if not ready.exists():
            uv = [sys.executable, "-m", "uv"]
            subprocess.run([*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(home)], check=True)
            sync = ["pip", "sync", "--quiet", "--python", str(python), "--require-hashes", str(LOCK)]
            subprocess.run([*uv, *sync], check=True)
            ready.touch()
    return python


@contextmanager
def running() -> Iterator[str]:
    """The server's address; its data go with it."""
    python = ensure_installed()
    with tempfile.TemporaryDirectory(prefix="vft-mlflow-") as place:
        (port,) = free_ports(1)
        command = [str(python), "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        stores = ["--backend-store-uri", f"sqlite:///{place}/mlflow.db", "--artifacts-destination", f"{place}/files"]
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        leashed = ["sh", "-c", LEASH, "leash", *command, *stores]
        child = Child("mlflow", leashed, Path(place) / "log", {**os.environ, **quiet})
        try:
            _await(child, f"http://127.0.0.1:{port}")
            yield f"http://127.0.0.1:{port}"
        finally:
            child.stop()


def _await(child: Child, url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _healthy(url):
        if not child.running or time.monotonic() > deadline:
            raise RuntimeError(f"the MLflow server did not start:\n{child.last_words()}")
        time.sleep(0.1)


def _healthy(url: str) -> bool:
    try:
        return bool(httpx.get(f"{url}/health", timeout=1).status_code == 200)
    except httpx.HTTPError:
        return False
