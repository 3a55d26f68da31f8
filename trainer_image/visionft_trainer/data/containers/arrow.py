"""Arrow files, as `datasets` keeps them, and the folders of `save_to_disk`."""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from visionft_trainer.data.containers.arrow_values import rows_of
from visionft_trainer.data.containers.base import Record, unreadable
from visionft_trainer.data.rows import Where
from visionft_trainer.data.values import show
from visionft_trainer.errors import BadDatasetError
from visionft_trainer.storage.plain_files import open_plain

FILE_MAGIC = b"ARROW1"  # begins the form with an index; without it, it is the stream form
STATE_FILE = "state.json"  # of a folder of `Dataset.save_to_disk`
SPLITS_FILE = "dataset_dict.json"  # of a folder of `DatasetDict.save_to_disk`
MAX_STATE_BYTES = 2**20


def read_arrow(file: Path, root: Path) -> Iterator[Record]:
    """The rows of an Arrow file, in either form."""
    import pyarrow as pa  # type: ignore[import-untyped]

    name = file.relative_to(root).as_posix()
    row = 0
    try:
        with open_plain(file) as stream:
            if not os.fstat(stream.fileno()).st_size:
                raise BadDatasetError(f"{name} row 1 cannot be read as Arrow (it is empty). Write the file again.")
            # Mapped, not read: a batch may be larger than the memory. It goes with the last batch that points to it.
            mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        for batch in _batches(mapped):
            batch.validate(full=True)  # offsets that lead out of a buffer would crash
            for value in rows_of(batch):
                row += 1
                yield Record(Where(name, row), value)
            mapped.madvise(mmap.MADV_DONTNEED)  # what was read need not stay in memory
    except (pa.ArrowException, MemoryError) as error:
        raise _broken(name, row, error) from None
    except OSError as error:
        raise unreadable(file, error) from error


def _batches(mapped: mmap.mmap) -> Iterator[Any]:
    import pyarrow as pa

    source = pa.BufferReader(pa.py_buffer(mapped))
    if mapped[: len(FILE_MAGIC)] == FILE_MAGIC:
        reader = pa.ipc.open_file(source)
        yield from (reader.get_batch(index) for index in range(reader.num_record_batches))
    else:
        with pa.ipc.open_stream(source) as stream:
            yield from stream


def _broken(name: str, row: int, error: BaseException) -> BadDatasetError:
    words = (str(error).splitlines() or [type(error).__name__])[0]
    return BadDatasetError(f"{name} row {row + 1} cannot be read as Arrow ({words}). Write the file again.")


def is_saved(folder: Path) -> bool:
    """Whether `save_to_disk` wrote the folder."""
    return (folder / SPLITS_FILE).is_file() or (folder / STATE_FILE).is_file()


def saved_files(folder: Path) -> Sequence[Path]:
    """The Arrow files of a folder that `save_to_disk` wrote, in their order. Raises `BadDatasetError`."""
    if (folder / SPLITS_FILE).is_file():
        splits = _read_object(folder / SPLITS_FILE).get("splits")
        if not isinstance(splits, list) or len(splits) != 1:
            named = ", ".join(map(str, splits)) if isinstance(splits, list) and splits else "none"
            raise BadDatasetError(
                f"{folder.name} holds the splits {named}; name the folder of the one that is meant, such as "
                f"{folder.name}/{splits[0] if isinstance(splits, list) and splits else 'train'}."
            )
        return saved_files(folder / _plain_name(splits[0], folder / SPLITS_FILE))
    state = _read_object(folder / STATE_FILE)
    if state.get("_indices_data_files"):
        raise BadDatasetError(
            f"{folder.name} holds a selection of rows as a list of numbers; save it with flatten_indices() first."
        )
    entries = state.get("_data_files")
    if not isinstance(entries, list):
        raise BadDatasetError(f"{folder / STATE_FILE} names no data files; save the dataset again.")
    return [
        folder / _plain_name(entry.get("filename") if isinstance(entry, dict) else None, folder / STATE_FILE)
        for entry in entries
    ]


def _plain_name(name: Any, place: Path) -> str:
    if not isinstance(name, str) or name in ("", ".", "..") or any(character in name for character in "/\\\0"):
        raise BadDatasetError(f"{place} names the file {show(name)}, which is no plain name; save the dataset again.")
    return name


def _read_object(file: Path) -> dict[str, Any]:
    try:
        with open_plain(file) as stream:
            value = json.loads(stream.read(MAX_STATE_BYTES))
    except OSError as error:
        raise unreadable(file, error) from error
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise BadDatasetError(f"{file} is not a JSON object; save the dataset again with save_to_disk.")
    return value
