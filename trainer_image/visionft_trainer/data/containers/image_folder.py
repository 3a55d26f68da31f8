"""Folders of pictures: with a metadata file that names them, as `datasets`' imagefolder has it, or without."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from visionft_trainer.data.containers.base import MAX_ROW, MAX_ROW_BYTES, Reader, Record, unreadable
from visionft_trainer.data.containers.files import ending_of
from visionft_trainer.data.rows import BadRowError, Where
from visionft_trainer.errors import BadDatasetError
from visionft_trainer.storage.plain_files import open_plain

METADATA_STEM = "metadata"
FILE_NAME, FILE_NAMES = "file_name", "file_names"
ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")
TEXT_ENDING = ".txt"  # of a file beside a picture that holds its text


def metadata_in(folder: Path) -> list[Path]:
    """The metadata file of `folder`, where it has one. Raises `BadDatasetError` for several."""
    found = sorted(path for path in folder.glob(f"{METADATA_STEM}.*") if ending_of(path.name))
    if len(found) > 1:
        raise BadDatasetError(
            f"{folder.name} holds {' and '.join(path.name for path in found)}; keep the one that is meant."
        )
    return found


def metadata_below(folder: Path) -> list[Path]:
    """The metadata files of the folders below `folder`, which `datasets` takes as well. Raises `BadDatasetError`."""
    return [file for place, *_ in _folders(folder) for file in metadata_in(Path(place))]


def with_pictures(read: Reader) -> Reader:
    """A reader of metadata: `file_name` becomes `image`, `file_names` `images`, `left_file_name` becomes `left`."""

    def reader(file: Path, root: Path) -> Iterator[Record]:
        folder = file.parent.relative_to(root)
        for record in read(file, root):
            value = record.value
            yield Record(record.where, {**value, **_named(value, folder)} if isinstance(value, dict) else value)

    return reader


def _named(row: dict[str, Any], folder: Path) -> dict[str, Any]:
    found = {}
    for column, value in row.items():
        if column == FILE_NAME or column.endswith(f"_{FILE_NAME}"):
            name = column.removesuffix(FILE_NAME).removesuffix("_") or "image"
            found[name] = _below(folder, value)
        elif (column == FILE_NAMES or column.endswith(f"_{FILE_NAMES}")) and isinstance(value, list):
            name = column.removesuffix(FILE_NAMES).removesuffix("_") or "images"
            found[name] = [_below(folder, item) for item in value]
    return found


def _below(folder: Path, name: Any) -> Any:
    """The path from the data's folder; what is no relative path stays, to be refused with its own words."""
    if not isinstance(name, str) or not name or name.startswith("/"):
        return name
    return f"{folder.as_posix()}/{name}" if folder.parts else name


def has_pictures(folder: Path) -> bool:
    """Whether there is a picture in or below `folder`."""
    return next(_walk(folder), None) is not None


def read_folder(folder: Path, root: Path) -> Iterator[Record]:
    """One row a picture, by name: `image`, `label` (the folder it lies in, where it lies in one) and `text` (the file
    of its name that ends in .txt, where there is one)."""
    try:
        for number, path in enumerate(_walk(folder), start=1):
            name = path.relative_to(root).as_posix()
            row: dict[str, Any] = {"image": name, "file_name": path.relative_to(folder).as_posix()}
            if path.parent != folder:
                row["label"] = path.parent.name
            text = path.with_suffix(TEXT_ENDING)
            if text.is_file():
                row["text"] = _read_text(text, root)
            problem = next((value for value in row.values() if isinstance(value, BadRowError)), None)
            yield Record(Where(name, number), problem or row)
    except OSError as error:
        raise unreadable(folder, error) from error


def _walk(folder: Path) -> Iterator[Path]:
    for place, files in _folders(folder):
        for name in sorted(files):
            if name.lower().endswith(ENDINGS) and not name.startswith("."):
                yield Path(place) / name


def _folders(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """`folder` and those below it, in their order, each with the names of its files."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield place, files


def _read_text(file: Path, root: Path) -> str | BadRowError:
    name = file.relative_to(root).as_posix()
    if not file.resolve().is_relative_to(root.resolve()):
        return BadRowError("text", f"{name} is a link out of the data's folder; copy the file into the folder")
    with open_plain(file) as stream:
        data = stream.read(MAX_ROW_BYTES + 1)
    if len(data) > MAX_ROW_BYTES:
        return BadRowError("text", f"{name} is larger than {MAX_ROW}; make it smaller")
    try:
        return data.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return BadRowError("text", f"{name} is not UTF-8; save the file as UTF-8")
