"""Parquet: read in small batches, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from visionft_trainer.data.containers.arrow_values import rows_of
from visionft_trainer.data.containers.base import MAX_ROW, MAX_ROW_BYTES, Record, unreadable
from visionft_trainer.data.rows import Where
from visionft_trainer.errors import BadDatasetError
from visionft_trainer.storage.plain_files import NotAFileError, open_plain

BATCH_ROWS = 32  # pictures of 20 MiB each then take 640 MiB
PAGE_READ_BYTES = 2**20


def read_parquet(file: Path, root: Path) -> Iterator[Record]:
    """The rows of a Parquet file; columns of pictures become `Picture`."""
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    name = file.relative_to(root).as_posix()
    row = 0
    try:
        with open_plain(file) as stream:
            # Not pre-buffered: that would hold whole row groups.
            parquet = pq.ParquetFile(stream, pre_buffer=False, buffer_size=PAGE_READ_BYTES)
            _check(parquet.metadata, name)
            for batch in parquet.iter_batches(BATCH_ROWS, use_threads=False):
                for value in rows_of(batch):
                    row += 1
                    yield Record(Where(name, row), value)
    except NotAFileError as error:
        raise unreadable(file, error) from error
    except (pa.ArrowException, OSError, MemoryError) as error:
        raise BadDatasetError(
            f"{name} row {row + 1} cannot be read as Parquet ({_first_line(error)}). Write the file again."
        ) from None
    if row != parquet.metadata.num_rows:
        raise BadDatasetError(
            f"{name} says that it has {parquet.metadata.num_rows:,} rows and has {row:,}. Write the file again."
        )


def _check(metadata: object, name: str) -> None:
    for index in range(metadata.num_row_groups):  # type: ignore[attr-defined]
        group = metadata.row_group(index)  # type: ignore[attr-defined]
        if group.total_byte_size > max(group.num_rows, 1) * MAX_ROW_BYTES:
            raise BadDatasetError(
                f"{name} says that the {group.num_rows:,} rows of row group {index + 1} have "
                f"{group.total_byte_size:,} bytes; a row may have {MAX_ROW}. Put the images into files, or write the "
                "file again."
            )


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
