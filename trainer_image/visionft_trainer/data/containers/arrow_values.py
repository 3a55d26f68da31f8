"""From Arrow's columns to plain values: pictures, names of labels, times."""

from __future__ import annotations

import datetime
import decimal
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from visionft_trainer.data.containers.base import MAX_ROW, MAX_ROW_BYTES
from visionft_trainer.data.rows import BadRowError, Picture
from visionft_trainer.data.values import show_name

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

AT_ONCE_BYTES = 8 * 2**20  # rows of a batch up to this are unpacked together
FEATURES_KEY = b"huggingface"  # of a schema's metadata, where datasets keeps what Arrow's types cannot say
IMAGE_KEYS = {"bytes", "path"}


def rows_of(batch: pa.RecordBatch) -> Iterator[Mapping[str, Any] | BadRowError]:
    """The rows of `batch`; large ones are unpacked one at a time."""
    features = _features(batch.schema)
    if batch.nbytes <= AT_ONCE_BYTES:
        for row in batch.to_pylist():
            yield _row(row, features)
        return
    for index in range(batch.num_rows):
        part = batch.slice(index, 1)
        if part.get_total_buffer_size() > MAX_ROW_BYTES and part.nbytes > MAX_ROW_BYTES:
            yield BadRowError("", f"has more than {MAX_ROW}; put its images into files")
        else:
            yield _row(part.to_pylist()[0], features)


def _row(row: Mapping[str, Any], features: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: _plain(value, features.get(name), name) for name, value in row.items()}


def _features(schema: pa.Schema) -> Mapping[str, Any]:
    """What `datasets` says of the columns; empty for files of others."""
    try:
        features = json.loads((schema.metadata or {})[FEATURES_KEY])["info"]["features"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return {}
    return features if isinstance(features, dict) else {}


def _plain(value: Any, feature: Any, column: str) -> Any:
    """A value of Arrow as JSON would have it. `feature` is what `datasets` says of it, or None."""
    match value:
        case dict():
            if value.keys() == IMAGE_KEYS:
                return _picture(value, column)
            inner = feature if isinstance(feature, dict) else {}
            # A sequence of objects is stored as an object of sequences.
            inner = inner.get("feature", inner)
            return {key: _plain(item, _sequence_of(inner, key, item), column) for key, item in value.items()}
        case list():
            return [_plain(item, _item_of(feature), column) for item in value]
        case bytes():
            return Picture(value, f"the image in the column {show_name(column)}")
        case bool() | float() | str() | None:
            return value
        case int():
            return _label(value, feature)
        case datetime.datetime() | datetime.date() | datetime.time():
            return value.isoformat()
        case decimal.Decimal() | datetime.timedelta():
            return str(value)
        case _:
            return str(value)


def _picture(value: Mapping[str, Any], column: str) -> Any:
    """`datasets`' form of a picture: its bytes, or the path of its file."""
    data, path = value["bytes"], value["path"]
    if not isinstance(data, bytes):
        return path
    name = f"the image in the column {show_name(column)}"
    return Picture(data, f"{name} ({show_name(path)})" if isinstance(path, str) else name)


def _label(value: int, feature: Any) -> Any:
    """The name of a class, where the number stands for one."""
    names = feature.get("names") if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" else None
    return names[value] if isinstance(names, list) and 0 <= value < len(names) else value


def _item_of(feature: Any) -> Any:
    if isinstance(feature, list) and len(feature) == 1:
        return feature[0]
    return feature.get("feature", feature) if isinstance(feature, dict) else None


def _sequence_of(features: Any, key: str, item: Any) -> Any:
    feature = features.get(key) if isinstance(features, dict) else None
    return [feature] if isinstance(item, list) and isinstance(feature, dict) and "feature" not in feature else feature
