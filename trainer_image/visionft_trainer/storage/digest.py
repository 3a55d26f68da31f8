"""The digest of a folder, one that anybody can check with sha256sum.

It is the sha256 of a manifest that has a line `<sha256>  <path>` for each file, sorted by path. In the folder:

    find . -type f -printf '%P\\n' | LC_ALL=C sort | xargs -d '\\n' sha256sum | sha256sum
"""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PREFIX = "sha256:"


def file_digest(path: Path) -> str:
    """sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def manifest(folder: Path) -> str:
    """One line a file, as sha256sum prints it, sorted by the bytes of the path."""
    files = sorted(
        (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()), key=lambda p: p.encode()
    )
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # hashing lets other threads run
        digests = pool.map(lambda name: file_digest(folder / name), files)
        return "".join(f"{digest}  {name}\n" for digest, name in zip(digests, files, strict=True))


def folder_digest(folder: Path) -> str:
    """`sha256:...` of the folder's manifest."""
    return PREFIX + hashlib.sha256(manifest(folder).encode()).hexdigest()


def folder_size(folder: Path) -> int:
    """Bytes of all files below `folder`."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
