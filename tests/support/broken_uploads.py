"""Uploads that are broken off at random points, and what is left of them."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Protocol

from obstore.store import S3Store
from visionft_api.spec import OciOutput, S3Output
from visionft_trainer.artifacts.artifact import Artifact
from visionft_trainer.artifacts.publish.oci import OciDestination, tag
from visionft_trainer.artifacts.publish.s3 import S3Destination
from visionft_trainer.errors import StorageFailedError
from visionft_trainer.settings import Settings

from support import downloads
from support.cutting_proxy import CuttingProxy
from support.small_artifacts import OWNER

How = Literal["connection cut", "server gone", "killed"]
PIECE_BYTES = 32 * 1024  # of an OCI upload, so that a small artifact has many


class Target(Protocol):
    """A place to upload to, once for each number."""

    def upload(self, number: int, artifact: Artifact) -> None:
        """Through the relay."""

    def whole(self, number: int) -> bool:
        """Whether there is an artifact for whoever reads, asked of the server itself."""

    def fetch(self, number: int, folder: Path) -> Path:
        """A fresh download."""


@dataclass(frozen=True)
class Outcome:
    """One upload that was broken off."""

    how: How
    after: int
    """Bytes on the wire."""
    of: int
    """Bytes that an undisturbed upload takes."""
    looked_whole: bool
    """After the break, before anything was repeated."""
    was_whole: bool
    """Whether a download at that moment stood up to `verify`."""
    repeated_calls: int
    """Further calls that were needed until it was there."""
    whole_at_last: bool
    """Whether a fresh download stands up to `verify` in the end."""

    @property
    def right(self) -> bool:
        return self.whole_at_last and (self.was_whole or not self.looked_whole)


def break_off(
    target: Target, proxy: CuttingProxy, artifact: Artifact, number: int, how: How, noise: random.Random, place: Path,
    total: int,
) -> Outcome:  # fmt: skip
    """Break upload `number` off somewhere, look what is there, and repeat it."""
    after = noise.randrange(1, total)
    calls = 0
    if how == "killed":
        _kill(target, proxy, artifact, number, after)
    else:
        proxy.cut_after(after, down=how == "server gone")
        try:
            target.upload(number, artifact)
        except StorageFailedError:
            assert how == "server gone"
    looked = target.whole(number)
    was = looked and downloads.problem(target.fetch(number, place / f"{number}-then"), artifact.digest) is None
    proxy.mend()
    if not looked:
        calls += 1
        target.upload(number, artifact)
    copy = target.fetch(number, place / f"{number}-last")
    last = target.whole(number) and downloads.problem(copy, artifact.digest) is None
    return Outcome(how, after, total, looked, was, calls, last)


def measure(target: Target, proxy: CuttingProxy, artifact: Artifact, number: int) -> int:
    """Bytes on the wire of an upload that nothing disturbs."""
    proxy.mend()
    target.upload(number, artifact)
    return proxy.carried


def _kill(target: Target, proxy: CuttingProxy, artifact: Artifact, number: int, after: int) -> None:
    """Upload in another process and kill it with -9 when so many bytes are on the wire."""
    proxy.cut_after(after, hold=True)
    assert isinstance(target, S3Target | OciTarget)
    words = [type(target).__name__, json.dumps(target.arguments), str(number), artifact.kind, str(artifact.folder)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    process = subprocess.Popen([sys.executable, "-m", "support.broken_uploads", *words], env=environment)
    while not proxy.reached.wait(0.02):
        if process.poll() is not None:
            break
    process.kill()
    process.wait()


class S3Target:
    """A bucket; each number is a prefix."""

    def __init__(self, port: int, secrets: Mapping[str, str], bucket: S3Store | None) -> None:
        self.arguments = [port, dict(secrets)]
        self._port, self._settings, self._bucket = port, Settings(secrets=secrets), bucket

    def upload(self, number: int, artifact: Artifact) -> None:
        output = S3Output(endpoint=f"http://127.0.0.1:{self._port}", bucket=downloads.BUCKET, prefix=f"broken/{number}")
        S3Destination(output, OWNER, self._settings, lambda _: None).put([artifact], lambda done, total: None)

    def whole(self, number: int) -> bool:
        assert self._bucket is not None
        return downloads.in_bucket(self._bucket, f"broken/{number}/run-1/adapter")

    def fetch(self, number: int, folder: Path) -> Path:
        assert self._bucket is not None
        return downloads.from_bucket(self._bucket, f"broken/{number}/run-1/adapter", folder)


class OciTarget:
    """A registry; each number is a repository."""

    def __init__(self, port: int, direct: str) -> None:
        self.arguments = [port, direct]
        self._port, self._direct = port, direct

    def upload(self, number: int, artifact: Artifact) -> None:
        output = OciOutput(repository=f"127.0.0.1:{self._port}/broken/{number}")
        place = OciDestination(output, OWNER, Settings(), lambda _: None, PIECE_BYTES)
        place.put([artifact], lambda done, total: None)

    def whole(self, number: int) -> bool:
        return tag(OWNER, "adapter") in downloads.tags(self._direct, f"broken/{number}")

    def fetch(self, number: int, folder: Path) -> Path:
        return downloads.from_registry(self._direct, f"broken/{number}", tag(OWNER, "adapter"), folder)


def as_json(outcome: Outcome) -> dict[str, object]:
    """For keeping."""
    return asdict(outcome)


def _main(name: str, arguments: str, number: str, kind: str, folder: str) -> None:
    from visionft_trainer.artifacts import artifact

    given = json.loads(arguments)
    make: dict[str, Callable[[], Target]] = {
        "S3Target": lambda: S3Target(given[0], given[1], None),
        "OciTarget": lambda: OciTarget(given[0], given[1]),
    }
    make[name]().upload(int(number), artifact.read(kind, Path(folder)))  # type: ignore[arg-type]


if __name__ == "__main__":
    _main(*sys.argv[1:])
