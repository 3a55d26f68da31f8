"""Parquet and Arrow: pictures, labels and times become plain values; broken files are named, never a crash."""

import datetime
import decimal
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, List, Value
from support.container_rows import png, rows, wheres
from visionft_trainer.data.containers import arrow_values, parquet
from visionft_trainer.errors import BadDatasetError

RED, BLUE = png(10), png(20)
HELD = {"bytes": RED, "path": "red.png"}
FEATURES = Features(
    {
        "image": Image(),
        "images": List(Image()),
        "label": ClassLabel(names=["cat", "dog"]),
        "objects": List({"name": ClassLabel(names=["x", "y"]), "box": List(Value("float32"))}),
        "chat": List({"role": Value("string"), "content": List({"type": Value("string"), "image": Image()})}),
    }
)
ROW = {
    "image": HELD,
    "images": [{"bytes": BLUE, "path": None}],
    "label": 1,
    "objects": [{"name": 0, "box": [0.5, 1.0]}],
    "chat": [{"role": "user", "content": [{"type": "image", "image": HELD}]}],
}
PLAIN = ROW | {
    "image": RED,
    "images": [BLUE],
    "label": "dog",
    "objects": [{"name": "x", "box": [0.5, 1.0]}],
    "chat": [{"role": "user", "content": [{"type": "image", "image": RED}]}],
}


def dataset(count: int = 1) -> Dataset:
    return Dataset.from_dict({key: [value] * count for key, value in ROW.items()}, features=FEATURES)


def test_parquet_of_datasets(tmp_path: Path) -> None:
    dataset(3).to_parquet(tmp_path / "x.parquet")
    assert rows(tmp_path / "x.parquet") == [PLAIN] * 3
    assert wheres(tmp_path / "x.parquet") == [f"x.parquet row {row}" for row in (1, 2, 3)]


def test_large_batches_are_unpacked_row_by_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow_values, "AT_ONCE_BYTES", 0)
    dataset(3).to_parquet(tmp_path / "x.parquet")
    assert rows(tmp_path / "x.parquet") == [PLAIN] * 3


def test_row_beyond_the_limit_is_bad_and_the_next_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow_values, "AT_ONCE_BYTES", 0)
    monkeypatch.setattr(arrow_values, "MAX_ROW_BYTES", 5000)
    pq.write_table(pa.table({"a": ["x", "y" * 9000, "z"]}), tmp_path / "x.parquet")
    assert rows(tmp_path / "x.parquet") == [{"a": "x"}, "has more than 64 MiB; put its images into files", {"a": "z"}]


def test_save_to_disk(tmp_path: Path) -> None:
    dataset(4).save_to_disk(tmp_path / "x", num_shards=2)
    assert rows(tmp_path / "x") == [PLAIN] * 4
    assert wheres(tmp_path / "x")[2] == "data-00001-of-00002.arrow row 1"


def test_split_of_a_dataset_dict(tmp_path: Path) -> None:
    DatasetDict(train=dataset(2), test=dataset(1)).save_to_disk(tmp_path / "x")
    with pytest.raises(BadDatasetError, match=r"x holds the splits train, test; name the folder of .*such as x/train"):
        rows(tmp_path / "x")
    assert len(rows(tmp_path / "x" / "train")) == 2


def test_only_split_of_a_dataset_dict(tmp_path: Path) -> None:
    DatasetDict(train=dataset(2)).save_to_disk(tmp_path / "x")
    assert len(rows(tmp_path / "x")) == 2


@pytest.mark.parametrize("name", ["../x.arrow", "/etc/passwd", "a/b.arrow", "", "..", None, 3, "a\0"])
def test_state_file_names_nothing_outside(tmp_path: Path, name: Any) -> None:
    dataset().save_to_disk(tmp_path / "x")
    (tmp_path / "x" / "state.json").write_text(json.dumps({"_data_files": [{"filename": name}]}))
    with pytest.raises(BadDatasetError, match=r"which is no plain name; save the dataset again"):
        rows(tmp_path / "x")


@pytest.mark.parametrize(
    ("state", "complaint"),
    [
        ("{", "is not a JSON object"),
        ("[]", "is not a JSON object"),
        ("{}", "names no data files"),
        ('{"_indices_data_files": [1], "_data_files": []}', "save it with flatten_indices"),
        ('{"_data_files": [{"filename": "gone.arrow"}]}', "gone.arrow cannot be read"),
    ],
)
def test_broken_state_file(tmp_path: Path, state: str, complaint: str) -> None:
    dataset().save_to_disk(tmp_path / "x")
    (tmp_path / "x" / "state.json").write_text(state)
    with pytest.raises(BadDatasetError, match=complaint):
        rows(tmp_path / "x")


TYPES = [
    (pa.array([datetime.date(2024, 1, 2)]), "2024-01-02"),
    (pa.array([datetime.datetime(2024, 1, 2, 3, 4)]), "2024-01-02T03:04:00"),
    (pa.array([decimal.Decimal("1.50")]), "1.50"),
    (pa.array([RED]), RED),
    (pa.array([[{"bytes": None, "path": "1.png"}, {"bytes": RED, "path": None}]]), ["1.png", RED]),
    (pa.array([{"bytes": None, "path": None}], pa.struct({"bytes": pa.binary(), "path": pa.string()})), None),
    (pa.array([RED], pa.large_binary()), RED),
    (pa.array(["x"], pa.large_string()), "x"),
    (pa.array([{"a": None}]), {"a": None}),
    (pa.array([[1, 2]]), [1, 2]),
    (pa.array(["x"]).dictionary_encode(), "x"),
    (pa.array([1.5], pa.float32()), 1.5),
    (pa.array([True]), True),
    (pa.nulls(1), None),
]


@pytest.mark.parametrize(("column", "expected"), TYPES, ids=[str(column.type) for column, _ in TYPES])
@pytest.mark.parametrize("form", ["parquet", "file", "stream"])
def test_types(tmp_path: Path, column: pa.Array, expected: Any, form: str) -> None:
    table = pa.table({"a": column})
    file = tmp_path / ("x.parquet" if form == "parquet" else "x.arrow")
    if form == "parquet":
        pq.write_table(table, file)
    else:
        new = pa.ipc.new_file if form == "file" else pa.ipc.new_stream
        with new(str(file), table.schema) as writer:
            writer.write(table)
    assert rows(file) == [{"a": expected}]


@pytest.mark.parametrize("name", ["x.parquet", "x.arrow"])
@pytest.mark.parametrize("data", [b"", b"PAR1", b"text", bytes(1000), b"ARROW1\0\0" + bytes(64)])
def test_file_of_another_kind(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(
        BadDatasetError, match=rf"^{name} row 1 cannot be read as (Parquet|Arrow) .*Write the file again"
    ):
        rows(tmp_path / name)


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_damaged_bytes_never_crash(tmp_path: Path, ending: str, seed: int) -> None:
    file = tmp_path / f"x.{ending}"
    table = dataset(5).data.table
    if ending == "parquet":
        pq.write_table(table, file)
    else:
        with pa.ipc.new_stream(str(file), table.schema) as writer:
            writer.write(table)
    data = bytearray(file.read_bytes())
    for step in range(1 + seed % 4):
        data[(seed * 7919 + step * 104_729) % len(data)] ^= 1 + (seed * 31) % 255
    file.write_bytes(data[: len(data) - (seed % 3) * 20])
    try:
        rows(file)
    except BadDatasetError as error:
        assert f"x.{ending}" in str(error)  # noqa: PT017 - damage may also go unseen, in a picture's bytes


def test_parquet_that_says_it_is_enormous(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "MAX_ROW_BYTES", 100)
    pq.write_table(pa.table({"a": ["x" * 5000]}), tmp_path / "x.parquet")
    with pytest.raises(
        BadDatasetError, match=r"x\.parquet says that the 1 rows of row group 1 have .* bytes; a row may"
    ):
        rows(tmp_path / "x.parquet")
