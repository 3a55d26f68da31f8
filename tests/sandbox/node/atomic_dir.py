"""A folder whose files change all at once, laid out as a kubelet lays out ConfigMap volumes.

    config.json -> ..data/config.json
    ..data      -> ..2026_11_21_07_30_00.123456
A reader that follows ..data sees either all old or all new files.
"""

import os
import shutil
import tempfile
from datetime import datetime
from pathlib import Path, PurePosixPath

from sandbox.node.payload import Payload

DATA_LINK = "..data"


def write_payload(folder: Path, payload: Payload, now: datetime) -> None:
    """Make the folder hold exactly these files."""
    folder.mkdir(parents=True, exist_ok=True)
    old = folder / DATA_LINK
    old_version = old.readlink().name if old.is_symlink() else None
    version = Path(tempfile.mkdtemp(prefix=now.strftime("..%Y_%m_%d_%H_%M_%S."), dir=folder))
    version.chmod(0o755)
    for name, file in payload.items():
        path = version / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
        path.chmod(file.mode)
    fresh = folder / "..data_tmp"
    fresh.symlink_to(version.name)
    fresh.replace(old)
    _link_entries(folder, {PurePosixPath(name).parts[0] for name in payload})
    if old_version:
        shutil.rmtree(folder / old_version, ignore_errors=True)


def _link_entries(folder: Path, names: set[str]) -> None:
    for name in names:
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(Path(DATA_LINK) / name)
    for entry in os.scandir(folder):
        if not entry.name.startswith("..") and entry.is_symlink() and entry.name not in names:
            (folder / entry.name).unlink()
