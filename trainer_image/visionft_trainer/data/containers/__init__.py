"""Containers: from a file or folder to its rows, one at a time.

A container is one module with one `Reader`, entered in `READERS` under the name that `files.KINDS` gives to the endings
of its files. `docs/data.md` tells users what is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from visionft_trainer.data.containers import arrow, image_folder
from visionft_trainer.data.containers.arrow import read_arrow
from visionft_trainer.data.containers.base import Reader, Record, unreadable
from visionft_trainer.data.containers.content import kind_by_content
from visionft_trainer.data.containers.delimited import read_csv, read_tsv
from visionft_trainer.data.containers.files import KINDS, SHOWN_ENDINGS, ending_of, files_in, shards_of
from visionft_trainer.data.containers.image_folder import METADATA_STEM, with_pictures
from visionft_trainer.data.containers.json_file import read_json
from visionft_trainer.data.containers.json_lines import read_json_lines
from visionft_trainer.data.containers.parquet import read_parquet
from visionft_trainer.data.containers.web_dataset import read_web_dataset
from visionft_trainer.errors import BadDatasetError

READERS: Mapping[str, Reader] = {
    "jsonl": read_json_lines,
    "json": read_json,
    "csv": read_csv,
    "tsv": read_tsv,
    "parquet": read_parquet,
    "arrow": read_arrow,
    "tar": read_web_dataset,
}

__all__ = ["READERS", "Record", "exists", "read"]


def exists(place: Path) -> bool:
    """Whether there is a file or folder at `place`, or shards with that name. Raises `BadDatasetError`."""
    try:
        return place.is_file() or place.is_dir() or bool(shards_of(place))
    except OSError as error:
        raise unreadable(place, error) from error


def read(place: Path, root: Path, files: Sequence[Path] | None = None) -> Iterator[Record]:
    """All rows of the data at `place`, which lies below `root`; of `files` alone, where these are given.

    Raises `BadDatasetError`.
    """
    if files is None and place.is_dir() and not _is_data(place):
        yield from image_folder.read_folder(place, root)
        return
    for file in _files(place) if files is None else files:
        if not file.resolve().is_relative_to(root.resolve()):
            raise BadDatasetError(f"{file.name} is a link out of the folder of the data; copy the file into it.")
        yield from _reader(file)(file, root)


def _is_data(folder: Path) -> bool:
    """Whether the folder has data files; False for one with pictures alone. Raises `BadDatasetError` without any."""
    if _files(folder):
        return True
    if image_folder.has_pictures(folder):
        return False
    raise BadDatasetError(f"{folder.name} holds no data: no file that ends in {SHOWN_ENDINGS}, and no picture.")


def _files(place: Path) -> Sequence[Path]:
    if not place.is_dir():
        return shards_of(place) if not place.exists() else [place]
    if arrow.is_saved(place):
        return arrow.saved_files(place)
    return image_folder.metadata_in(place) or files_in(place) or image_folder.metadata_below(place)


def _reader(file: Path) -> Reader:
    ending = ending_of(file.name)
    reader = READERS[KINDS[ending] if ending else kind_by_content(file)]
    return with_pictures(reader) if file.name.lower() == f"{METADATA_STEM}{ending or ''}" else reader
