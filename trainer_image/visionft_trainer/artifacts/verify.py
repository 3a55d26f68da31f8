"""Holds an artifact against its own SHA256SUMS and provenance, from a copy of it alone.

Whoever made the copy is not trusted: names lead nowhere but into the folder, links are not followed, sizes are bounded,
and nothing of it is executed or shown unescaped. Nothing is signed: the digest should come from the resource's status.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from visionft_trainer.artifacts import provenance, sums
from visionft_trainer.storage.digest import PREFIX
from visionft_trainer.storage.plain_files import open_plain

MAX_PROVENANCE_BYTES = 16 * 2**20
MAX_FILES = 100_000
PIECE_BYTES = 2**20
# What the hub puts beside the files of every repository and download.
FROM_THE_HUB = (".gitattributes", ".cache/huggingface/")

Tick = Callable[[int, int], None]
"""Bytes that were read, of so many."""


WORDS = {"changed": "was changed", "missing": "is missing", "added": "was added", "broken": "is broken"}


def shown(text: str) -> str:
    """`text` of somebody else, without what a terminal would obey."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:1000])


class NotAnArtifactError(Exception):
    """There is nothing here that can be verified."""


@dataclass(frozen=True)
class Problem:
    """What is wrong first, in the order of the paths."""

    file: str
    what: str
    """`changed`, `missing`, `added` or `broken`."""
    detail: str

    def __str__(self) -> str:
        return f"{shown(self.file)} {WORDS[self.what]}"


@dataclass(frozen=True)
class Verdict:
    """What was found of one artifact."""

    place: str
    problem: Problem | None
    digest: str | None = None
    """`sha256:...` of SHA256SUMS, which the status gives."""
    files: int = 0
    size: int = 0
    """Bytes of these files."""
    origin: provenance.Origin | None = None
    """The predicate; of a sound artifact only."""


class Copy(Protocol):
    """The files of an artifact, wherever they lie."""

    @property
    def place(self) -> str:
        """As people are told it."""

    def names(self) -> Iterator[tuple[str, str | None]]:
        """Each path, and what is wrong with what lies there."""

    def size(self, name: str) -> int:
        """Bytes of a file."""

    def open(self, name: str) -> BinaryIO:
        """Open a file."""


class FolderCopy:
    """An artifact in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.place = str(folder)

    def names(self) -> Iterator[tuple[str, str | None]]:
        """Each path; links and devices are wrong."""
        for parent, folders, files in os.walk(self._folder, followlinks=False):
            for name in (*files, *(folder for folder in folders if (Path(parent) / folder).is_symlink())):
                path = Path(parent) / name
                wrong = "is a link" if path.is_symlink() else None if path.is_file() else "is not a plain file"
                yield path.relative_to(self._folder).as_posix(), wrong

    def size(self, name: str) -> int:
        """Bytes of a file."""
        return (self._folder / name).lstat().st_size

    def open(self, name: str) -> BinaryIO:
        """Open a plain file, no other."""
        return open_plain(self._folder / name)


def verify(copy: Copy, expected: str | None = None, tick: Tick = lambda done, total: None) -> Verdict:
    """Read every file of `copy`. `expected` is the digest (`sha256:...`) that it should have.

    Raises:
        OSError: a file cannot be read.
    """
    found = dict(_bounded(copy.names()))
    if sums.FILE not in found:
        return Verdict(copy.place, Problem(sums.FILE, "missing", "an artifact without it was never whole"))
    try:
        listing = _read(copy, sums.FILE, sums.MAX_BYTES)
        listed = sums.parse(listing)
    except (sums.SumsBrokenError, _TooLargeError) as error:
        return Verdict(copy.place, Problem(sums.FILE, "broken", str(error)))
    digest = PREFIX + hashlib.sha256(listing).hexdigest()
    names = sorted({*listed, *(name for name in found if name != sums.FILE and not _is_of_hub(name))}, key=os.fsencode)
    total = sum(copy.size(name) for name in listed if name in found and found[name] is None)
    problem = _first_problem(copy, names, found, listed, lambda done: tick(done, total))
    origin = None
    if problem is None:
        problem, origin = _provenance(copy, listed)
    if problem is None and expected is not None and digest != expected:
        problem = Problem(sums.FILE, "changed", f"the artifact's digest is {digest}, not {expected}")
    return Verdict(copy.place, problem, digest, len(listed) + 1, total + len(listing), origin)


class _TooLargeError(Exception):
    pass


def _bounded(names: Iterator[tuple[str, str | None]]) -> Iterator[tuple[str, str | None]]:
    for count, entry in enumerate(names):
        if count == MAX_FILES:
            raise NotAnArtifactError(f"it holds more than {MAX_FILES:,} files, which no artifact does")
        yield entry


def _is_of_hub(name: str) -> bool:
    return name == FROM_THE_HUB[0] or name.startswith(FROM_THE_HUB[1])


def _read(copy: Copy, name: str, most: int) -> bytes:
    with copy.open(name) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise _TooLargeError(f"it has more than {most:,} bytes")
    return content


def _first_problem(
    copy: Copy,
    names: list[str],
    found: Mapping[str, str | None],
    listed: Mapping[str, str],
    tick: Callable[[int], None],
) -> Problem | None:
    """Files are read several at a time, and judged in their order."""
    done = 0
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        present = [name for name in names if name in listed and name in found and found[name] is None]
        hashes = {name: pool.submit(_hash, copy, name) for name in present}
        try:
            for name in names:
                wrong = found.get(name)
                if name not in found:
                    return Problem(name, "missing", "SHA256SUMS names it")
                if wrong is not None:
                    return Problem(name, "changed" if name in listed else "added", f"it {wrong}")
                if name not in listed:
                    return Problem(name, "added", "SHA256SUMS does not name it")
                is_now, size = hashes[name].result()
                if is_now != listed[name]:
                    return Problem(name, "changed", f"its sha256 is {is_now}, and SHA256SUMS says {listed[name]}")
                done += size
                tick(done)
        finally:
            pool.shutdown(cancel_futures=True)
    return None


def _hash(copy: Copy, name: str) -> tuple[str, int]:
    hasher, size = hashlib.sha256(), 0
    with copy.open(name) as file:
        while piece := file.read(PIECE_BYTES):
            hasher.update(piece)
            size += len(piece)
    return hasher.hexdigest(), size


def _provenance(copy: Copy, listed: Mapping[str, str]) -> tuple[Problem | None, provenance.Origin | None]:
    """What the provenance says, and whether it speaks of just these files."""

    def broken(why: str) -> tuple[Problem, None]:
        return Problem(provenance.FILE, "broken", why), None

    if provenance.FILE not in listed:
        return Problem(provenance.FILE, "missing", "SHA256SUMS does not name it"), None
    try:
        content = json.loads(_read(copy, provenance.FILE, MAX_PROVENANCE_BYTES))
        if content["_type"] != provenance.STATEMENT_TYPE or content["predicateType"] != provenance.PREDICATE_TYPE:
            return broken("it is no in-toto Statement v1 with SLSA Provenance v1")
        subject = {str(each["name"]): str(each["digest"]["sha256"]) for each in content["subject"]}
        origin = content["predicate"]
        if not isinstance(origin["buildDefinition"], dict) or not isinstance(origin["runDetails"], dict):
            return broken("its predicate is not SLSA Provenance v1")
    except (ValueError, KeyError, TypeError, RecursionError, _TooLargeError) as error:
        return broken(f"it cannot be read as provenance ({type(error).__name__}: {str(error)[:200]})")
    files = {name: digest for name, digest in listed.items() if name != provenance.FILE}
    odd = sorted(name for name in files.keys() | subject.keys() if files.get(name) != subject.get(name))
    if odd:
        return broken(f"it is about other files than these: {odd[0]!r:.300}")
    return None, origin


def origin_of(verdict: Verdict) -> dict[str, Any]:
    """What the provenance says, in the words of a report; what it lacks is left out."""
    predicate = verdict.origin or {}
    definition, details = _dict(predicate.get("buildDefinition")), _dict(predicate.get("runDetails"))
    parameters, meta = _dict(definition.get("externalParameters")), _dict(details.get("metadata"))
    whose = _dict(parameters.get("metadata"))
    inputs = [entry for entry in _list(definition.get("resolvedDependencies")) if isinstance(entry, dict)]
    said = {
        "resource": "/".join(str(whose[key]) for key in ("namespace", "name") if whose.get(key)),
        "run": meta.get("visionft_run"),
        "specHash": meta.get("visionft_specHash"),
        "builder": _dict(details.get("builder")).get("id"),
        "version": _dict(_dict(details.get("builder")).get("version")).get("visionft"),
        "startedOn": meta.get("startedOn"),
        "finishedOn": meta.get("finishedOn"),
        "signed": False,
        "inputs": [_input(entry) for entry in inputs if not str(entry.get("uri", "")).startswith("pkg:")],
        "packages": [str(entry["uri"]) for entry in inputs if str(entry.get("uri", "")).startswith("pkg:")],
    }
    return {key: value for key, value in said.items() if value not in (None, "")}


def _input(entry: Mapping[str, Any]) -> dict[str, str]:
    digest = _dict(entry.get("digest"))
    said = {"name": entry.get("name"), "uri": entry.get("uri")}
    for kind, value in sorted(digest.items())[:1]:
        said["digest"] = f"{kind}:{value}"
    return {key: str(value) for key, value in said.items() if value is not None}


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
