"""Artifacts in an S3 bucket: AWS, or any server that speaks its protocol.

PREFIX/run-N/KIND/... holds the files. SHA256SUMS is written last and removed first, so an artifact exists exactly when
its SHA256SUMS does. Each object carries its sha256 as metadata: what an earlier try has brought is not sent again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from visionft_api.spec import S3Output
from visionft_api.status import Artifact as Published

from visionft_trainer.artifacts import provenance
from visionft_trainer.artifacts.artifact import Artifact, Kind
from visionft_trainer.artifacts.publish.destination import Tick, in_order, persevere
from visionft_trainer.errors import StorageFailedError
from visionft_trainer.servers.patience import WRITING, Patience, Sleep
from visionft_trainer.servers.s3 import Asked, meaning, open_store, place_of
from visionft_trainer.settings import Settings
from visionft_trainer.storage.folder import RUN_PREFIX, Owner

FIELD = "spec.output.s3"
SECRETS = "output_s3"  # VISIONFT_SECRET_OUTPUT_S3_AWS_ACCESS_KEY_ID and the like
KINDS: tuple[Kind, ...] = ("adapter", "merged", "report")
PROBE = ".visionft-may-write"
SHA256 = "sha256"  # the metadata of each object
PART_BYTES = 16 * 2**20
PARALLEL_PARTS = 4  # 64 MiB of memory at a time
MAX_PARTS = 10_000  # of an object
RIGHTS = "list, read, write and delete below the prefix"

T = TypeVar("T")


class S3Destination:
    """The bucket and prefix of `spec.output.s3`."""

    def __init__(
        self,
        output: S3Output,
        owner: Owner,
        settings: Settings,
        sleep: Sleep = time.sleep,
        patience: Patience = WRITING,
    ) -> None:
        self._owner, self._patience, self._sleep = owner, patience, sleep
        self._output = output
        self._top = "/".join(part for part in (output.prefix.strip("/"), f"{RUN_PREFIX}{owner.run}") if part)
        self._store = open_store(output, settings, SECRETS, FIELD, patience, signed=True)

    def check(self) -> None:
        """Write, read and remove a small object, and look whose artifacts lie there. Raises `StorageFailedError`."""
        import obstore

        key = f"{self._top}/{PROBE}"
        self._asked(lambda: obstore.put(self._store, key, b"visionft"), key)
        if self._asked(lambda: bytes(obstore.get(self._store, key).bytes()), key) != b"visionft":
            raise StorageFailedError(
                f"{FIELD}.endpoint: {self._output.endpoint or 'the server'} does not give back what was written to "
                f"{self._uri(key)}, so it is no S3 server, such as the web page of one. Mend the address and its port."
            )
        self._remove(key)
        for kind in KINDS:
            self._refuse_others(f"{self._top}/{kind}")

    def put(self, artifacts: Sequence[Artifact], tick: Tick) -> list[Published]:
        """Upload them one after the other. Raises `StorageFailedError`."""
        total, done = sum(artifact.size for artifact in artifacts), 0
        for artifact in artifacts:
            self._put(artifact, lambda size, before=done: tick(before + size, total))  # type: ignore[misc]
            done += artifact.size
        return [
            Published(kind=each.kind, uri=self._uri(f"{self._top}/{each.kind}"), digest=each.digest, size=each.size)
            for each in artifacts
        ]

    def _put(self, artifact: Artifact, tick: Callable[[int], None]) -> None:
        prefix = f"{self._top}/{artifact.kind}"
        self._refuse_others(prefix)
        files = in_order(artifact.folder)
        there = self._listed(prefix)
        sizes = {name: (artifact.folder / name).stat().st_size for name, _ in files}
        odd = sorted(there.keys() - sizes.keys())
        missing = {
            name
            for name, digest in files
            if there.get(name) != sizes[name] or self._digest(f"{prefix}/{name}") != digest
        }
        marker = files[-1][0]
        if marker in there and (odd or missing):
            # What lies there ends to be an artifact before the first of its files is replaced.
            self._remove(f"{prefix}/{marker}")
            missing.add(marker)
        for name in odd:
            self._remove(f"{prefix}/{name}")
        done = 0
        for name, digest in files:
            if name in missing:
                self._send(artifact.folder / name, f"{prefix}/{name}", sizes[name], digest)
            done += sizes[name]
            tick(done)

    def _send(self, file: Path, key: str, size: int, digest: str) -> None:
        import obstore

        def attempt() -> None:
            obstore.put(
                self._store,
                key,
                file,
                attributes={SHA256: digest},
                chunk_size=max(PART_BYTES, -(-size // (MAX_PARTS - 1))),
                max_concurrency=PARALLEL_PARTS,
            )

        self._asked(attempt, key, gained=None)

    def _digest(self, key: str) -> str | None:
        """The sha256 that an object was written with; None where there is none."""
        import obstore

        def attempt() -> str | None:
            try:
                return obstore.get(self._store, key, options={"head": True}).attributes.get(SHA256)
            except FileNotFoundError:
                return None

        return self._asked(attempt, key)

    def _listed(self, prefix: str) -> dict[str, int]:
        """Sizes of the objects below `prefix`, by name."""
        import obstore

        def attempt() -> dict[str, int]:
            pages = obstore.list(self._store, prefix=prefix)
            return {each["path"].removeprefix(f"{prefix}/"): each["size"] for page in pages for each in page}

        return self._asked(attempt, prefix)

    def _remove(self, key: str) -> None:
        import obstore

        def attempt() -> None:
            with suppress(FileNotFoundError):
                obstore.delete(self._store, key)

        self._asked(attempt, key)

    def _refuse_others(self, prefix: str) -> None:
        """Raise where the artifact at `prefix` is that of another resource."""
        import obstore

        def attempt() -> bytes | None:
            try:
                return bytes(obstore.get(self._store, f"{prefix}/{provenance.FILE}").bytes())
            except FileNotFoundError:
                return None

        content = self._asked(attempt, f"{prefix}/{provenance.FILE}")
        whose = _owner_of(content) if content is not None else None
        ours = provenance.resource(self._owner.namespace, self._owner.name, self._owner.uid)
        if whose is not None and whose != ours:
            raise StorageFailedError(
                f"{FIELD}.prefix: {self._uri(prefix)} holds what {whose} has left, not {ours}. Choose another prefix, "
                "or remove that if it is not needed."
            )

    def _asked(self, attempt: Callable[[], T], key: str, gained: Callable[[], int] | None = lambda: 0) -> T:
        """`attempt` with patience, and with the server's refusals in words."""
        from obstore.exceptions import BaseError

        asked = Asked(FIELD, place_of(self._output, key), RIGHTS, StorageFailedError)

        def tried() -> T:
            try:
                return attempt()
            except (BaseError, FileNotFoundError, PermissionError) as error:
                raise meaning(error, asked) from error

        return persevere(tried, f"{FIELD}: {asked.where}", self._patience, self._sleep, gained)

    def _uri(self, key: str) -> str:
        return f"s3://{self._output.bucket}/{key}"


def _owner_of(content: bytes) -> str | None:
    """The resource that a provenance names; None where it is none of ours."""
    try:
        return provenance.resource_of(json.loads(content)["predicate"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
