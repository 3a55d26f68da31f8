"""Build and start the S3 server: `with running() as store: ...`. The binary is kept per version of its sources."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.build import BuildError, find_go
from sandbox.ports import free_ports, listens
from sandbox.processes import Child

SOURCES = Path(__file__).parent
CACHE = Path(__file__).parents[2] / ".cache" / "objectstore"
ACCESS_KEY, SECRET_KEY = "test-access", "test-secret-key"
START_SECONDS = 20


@dataclass(frozen=True)
class ObjectStore:
    """The running server."""

    port: int
    folder: Path
    """Each folder in it is a bucket. What is written here by hand has no ETag."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def ensure_built() -> Path:
    """The server's binary, built when its sources have changed: about a minute on two cores. Raises `BuildError`."""
    names = ("main.go", "go.mod", "go.sum")
    digest = hashlib.sha256(b"".join((SOURCES / name).read_bytes() for name in names)).hexdigest()[:16]
    binary = CACHE / digest / "objectstore"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the second builder waits and finds the first one's work
        if binary.exists():
            return binary
        binary.parent.mkdir(exist_ok=True)
        draft = binary.with_name("draft")
        command = [str(find_go()), "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", str(draft), "."]
        environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "local"}
        done = subprocess.run(command, cwd=SOURCES, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BuildError("go build failed:\n" + done.stderr[-2000:])
        draft.rename(binary)
    return binary


@contextmanager
def running() -> Iterator[ObjectStore]:
    """The server on a free port, with no buckets; it ends with this process."""
    binary = ensure_built()
    with tempfile.TemporaryDirectory(prefix="vft-s3-") as place:
        folder, attributes = Path(place) / "buckets", Path(place) / "attributes"
        folder.mkdir()
        attributes.mkdir()
        (port,) = free_ports(1)
        command = [str(binary), "-address", f"127.0.0.1:{port}", "-root", str(folder), "-attributes", str(attributes)]
        child = Child("objectstore", [*command, "-access", ACCESS_KEY, "-secret", SECRET_KEY], Path(place) / "log")
        try:
            _await(child, port)
            yield ObjectStore(port, folder)
        finally:
            child.stop(hard=True)


def _await(child: Child, port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not listens(port):
        if not child.running or time.monotonic() > deadline:
            raise RuntimeError(f"the S3 server did not start:\n{child.last_words()}")
        time.sleep(0.02)
