"""`SHA256SUMS`: a line for each file of an artifact, in the form of sha256sum, sorted by the bytes of the path."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from visionft_trainer.storage import digest

FILE = "SHA256SUMS"
MAX_BYTES = 16 * 2**20  # of the file; 100,000 lines have less
LINE = re.compile(r"([0-9a-f]{64})  (.+)")


class SumsBrokenError(ValueError):
    """The file is not one that `write` has written."""


def of_folder(folder: Path) -> dict[str, str]:
    """sha256 in hexadecimal of each file below `folder`, by its path."""
    return dict(_parse_line(line) for line in digest.manifest(folder).splitlines())


def of_file(folder: Path, name: str) -> dict[str, str]:
    """The same for one file."""
    return {name: digest.file_digest(folder / name)}


def write(folder: Path, digests: Mapping[str, str]) -> None:
    """Write the file for `digests` (hexadecimal, by path)."""
    (folder / FILE).write_bytes(to_bytes(digests))


def to_bytes(digests: Mapping[str, str]) -> bytes:
    """The file's content."""
    return "".join(f"{digests[name]}  {name}\n" for name in sorted(digests, key=str.encode)).encode()


def digest_of(folder: Path) -> str:
    """`sha256:...` of the file itself, which is the artifact's digest."""
    return digest.PREFIX + digest.file_digest(folder / FILE)


def parse(content: bytes) -> dict[str, str]:
    """The digests by path. Raises `SumsBrokenError` for anything but what `write` writes."""
    try:
        lines = content.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise SumsBrokenError("it is not text") from None
    if any(line.endswith("\r") for line in lines):
        raise SumsBrokenError("its lines end as on Windows: something has changed them; copy the artifact as it is")
    if lines.pop() != "":
        raise SumsBrokenError("its last line is cut off")
    digests: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        try:
            name, found = _parse_line(line)
        except SumsBrokenError as error:
            raise SumsBrokenError(f"line {number} {error}") from None
        if name in digests:
            raise SumsBrokenError(f"line {number} names a file again")
        digests[name] = found
    return digests


def is_name(name: str) -> bool:
    """Whether `name` is a plain path below a folder: relative, without `..`, nothing that a terminal would obey."""
    path = PurePosixPath(name)
    return (
        bool(path.parts)
        and path.as_posix() == name
        and not path.is_absolute()
        and ".." not in path.parts
        and "\\" not in name
        and name.isprintable()
    )


def _parse_line(line: str) -> tuple[str, str]:
    match = LINE.fullmatch(line)
    if match is None:
        raise SumsBrokenError("is not a digest and a path")
    if not is_name(match[2]):
        raise SumsBrokenError("names a file outside the folder, or in characters that a path should not have")
    return match[2], match[1]
