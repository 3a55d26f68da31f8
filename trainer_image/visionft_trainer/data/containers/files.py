"""Which files hold the rows: from a file, a folder or the common name of shards to the files in their order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from visionft_trainer.data.containers import packed
from visionft_trainer.data.containers.base import unreadable
from visionft_trainer.errors import BadDatasetError

TEXTS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "tsv"}
PACKED_TEXTS = {text + ending: kind for ending in packed.ENDINGS for text, kind in TEXTS.items()}
KINDS = {
    **TEXTS,
    **PACKED_TEXTS,
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".tar": "tar",
    ".tar.gz": "tar",
    ".tgz": "tar",
    ".tar.zst": "tar",
}
"""Endings of data files, and the container that each is."""
SHOWN_ENDINGS = f"{', '.join(kind for kind in KINDS if kind not in PACKED_TEXTS)}, texts also packed as .gz or .zst"
"""The same in an error."""
PICTURE_NAMERS = {"jsonl", "json", "csv", "tsv"}
"""Containers whose rows name pictures that lie beside them."""
DATA_FILE = "data.jsonl"  # comes before all others in its folder
DATA_FOLDER = "data"  # where the hub's data sets keep their files
# `train-00000-of-00003`, with the hash that older versions of datasets put behind; `part_12`; `0007`.
SHARD = re.compile(r"^(?P<set>.*?)[-_.]?(?P<number>\d+)(?:-of-(?P<count>\d+)(?:-[0-9a-f]{16})?)?$")
# Files of these names tell of data, they do not hold rows.
NO_DATA = {"dataset_info.json", "dataset_infos.json", "state.json", "dataset_dict.json"}


def ending_of(name: str) -> str | None:
    """The ending of a data file, `.tar.gz` as one; None for other files."""
    lower = name.lower()
    return next((ending for ending in sorted(KINDS, key=len, reverse=True) if lower.endswith(ending)), None)


def files_in(folder: Path) -> Sequence[Path]:
    """The files of the one data set in `folder`, in their order; empty where it holds none.

    Raises `BadDatasetError` for a folder with several data sets, or with some of a set's shards.
    """
    if (folder / DATA_FILE).is_file():
        return [folder / DATA_FILE]
    return one_set(_listed(folder), folder.name) or one_set(_listed(folder / DATA_FOLDER), folder.name)


def shards_of(place: Path) -> Sequence[Path]:
    """The shards whose common name `place` is: `x/train` for `x/train-00000-of-00002.parquet`; empty without any."""
    return one_set([file for file in _listed(place.parent) if set_of(file) == place.name], place.name)


def one_set(files: Iterable[Path], name: str) -> Sequence[Path]:
    """`files` in the order of their shards, when they are of one data set. Raises `BadDatasetError`."""
    found = sorted(files, key=lambda file: (set_and_number(file.name)[1], file.name))
    kinds = {KINDS[ending_of(file.name) or ""] for file in found}
    sets = sorted({set_of(file) for file in found})
    if len(kinds) > 1:
        shown = ", ".join(file.name for file in found[:4])
        raise BadDatasetError(f"{name} holds data files of several kinds ({shown}); name the one that is meant.")
    if len(sets) > 1:
        raise BadDatasetError(
            f"{name} holds several data sets ({', '.join(sets[:6])}); name the one that is meant, such as "
            f"{name}/{found[0].name}, or {name}/{sets[0]} for all shards of it."
        )
    counts = {int(count) for file in found if (count := _parts(file.name)["count"])}
    if counts and counts != {len(found)}:
        raise BadDatasetError(
            f"{name} has {len(found)} of the {max(counts)} files of {sets[0]}; copy the missing ones there."
        )
    return found


def set_of(file: Path) -> str:
    """The name that the shards of a data set share; of a file that is no shard, its own without the ending."""
    return set_and_number(file.name)[0]


def set_and_number(name: str) -> tuple[str, int]:
    """The name of the data set that a file belongs to, and which of its shards it is."""
    parts = _parts(name)
    return parts["set"] or "", int(parts["number"] or 0)


def _parts(name: str) -> dict[str, str | None]:
    stem = name.removesuffix(name[-len(ending) :]) if (ending := ending_of(name)) else name
    found = SHARD.match(stem)
    return found.groupdict() if found else {"set": stem, "number": None, "count": None}


def _listed(folder: Path) -> list[Path]:
    try:
        if not folder.is_dir():
            return []
        return [
            file
            for file in folder.iterdir()
            if ending_of(file.name) and not file.name.startswith((".", "_")) and file.name not in NO_DATA
            if file.is_file()
        ]
    except OSError as error:
        raise unreadable(folder, error) from error
