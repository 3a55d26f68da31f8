"""A list that lies on disk: a data set of any size is walked through with the memory of one item."""

from __future__ import annotations

import os
import pickle
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")
ENTRY = struct.Struct("<QQ")  # offset and size of an item
INDEX_SUFFIX = ".index"


def _same(value: Any) -> Any:
    return value


class DiskList(Sequence[T], Generic[T]):
    """Items written once by `write`, then read by any number of processes. Not for files of others: it unpickles."""

    def __init__(self, path: Path, unpack: Callable[[Any], T] = _same) -> None:
        self._path = path
        self._unpack = unpack
        self._open()

    def _open(self) -> None:
        self._items = os.open(self._path, os.O_RDONLY)
        self._index = os.open(self._path.with_name(self._path.name + INDEX_SUFFIX), os.O_RDONLY)
        self._length = os.fstat(self._index).st_size // ENTRY.size

    @classmethod
    def write(
        cls,
        path: Path,
        items: Iterable[T],
        pack: Callable[[T], Any] = _same,
        unpack: Callable[[Any], T] = _same,
    ) -> DiskList[T]:
        """Write `items` to `path`; `pack` turns one into what is pickled, `unpack` turns that back."""
        index_path = path.with_name(path.name + INDEX_SUFFIX)
        offset = 0
        with path.open("wb") as file, index_path.open("wb") as index:
            for item in items:
                data = pickle.dumps(pack(item), protocol=pickle.HIGHEST_PROTOCOL)
                file.write(data)
                index.write(ENTRY.pack(offset, len(data)))
                offset += len(data)
        return cls(path, unpack)

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        if isinstance(index, slice):
            return _Part(self, range(*index.indices(self._length)))
        position = index + self._length if index < 0 else index
        if not 0 <= position < self._length:
            raise IndexError(index)
        offset, size = ENTRY.unpack(os.pread(self._index, ENTRY.size, position * ENTRY.size))
        return self._unpack(pickle.loads(os.pread(self._items, size, offset)))  # noqa: S301 - written by us

    def __iter__(self) -> Iterator[T]:
        return (self[index] for index in range(self._length))

    def __del__(self) -> None:
        for descriptor in (getattr(self, "_items", None), getattr(self, "_index", None)):
            if descriptor is not None:
                os.close(descriptor)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._path, self._unpack)


class _Part(Sequence[T]):
    """A slice, still on disk."""

    def __init__(self, whole: DiskList[T], positions: range) -> None:
        self._whole = whole
        self._positions = positions

    def __len__(self) -> int:
        return len(self._positions)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        if isinstance(index, slice):
            return _Part(self._whole, self._positions[index])
        return self._whole[self._positions[index]]
