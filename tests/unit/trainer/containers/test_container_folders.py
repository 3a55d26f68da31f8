"""Folders: which files are the data, shards in their order, image folders, and what is refused."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.container_rows import png, rows, wheres, write_tar
from visionft_trainer.data import containers
from visionft_trainer.errors import BadDatasetError

RED = png(10)


def lines(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps({"from": name}))


def names(folder: Path) -> list[str]:
    return [where.removesuffix(" row 1") for where in wheres(folder)]


@pytest.mark.parametrize(
    ("files", "order"),
    [
        (["train.jsonl"], ["train.jsonl"]),
        (["x-00001-of-00002.jsonl", "x-00000-of-00002.jsonl"], ["x-00000-of-00002.jsonl", "x-00001-of-00002.jsonl"]),
        (["x2.jsonl", "x10.jsonl", "x1.jsonl"], ["x1.jsonl", "x2.jsonl", "x10.jsonl"]),
        (["000.jsonl", "001.jsonl"], ["000.jsonl", "001.jsonl"]),
        (["data.jsonl", "other.jsonl", "third.csv"], ["data.jsonl"]),
        (["data/x.jsonl", "README.md"], ["data/x.jsonl"]),
        (["x.jsonl", "README.md", ".hidden.jsonl", "_tmp.jsonl", "dataset_infos.json"], ["x.jsonl"]),
        (
            ["x-00000-of-00001-0123456789abcdef.jsonl"],
            ["x-00000-of-00001-0123456789abcdef.jsonl"],
        ),
    ],
)
def test_files_of_a_folder(tmp_path: Path, files: list[str], order: list[str]) -> None:
    lines(tmp_path, *files)
    assert names(tmp_path) == order


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        (["train.jsonl", "test.jsonl"], "holds several data sets (test, train); name the one that is meant, such as"),
        (["train.jsonl", "train.csv"], "holds data files of several kinds (train.csv, train.jsonl); name the one"),
        (["x-00000-of-00003.jsonl", "x-00002-of-00003.jsonl"], "has 2 of the 3 files of x; copy the missing ones"),
        (["README.md"], "holds no data: no file that ends in .jsonl"),
        ([], "holds no data"),
    ],
)
def test_folder_that_does_not_say_which(tmp_path: Path, files: list[str], complaint: str) -> None:
    lines(tmp_path, *files)
    with pytest.raises(BadDatasetError) as error:
        rows(tmp_path)
    assert complaint in str(error.value)


def test_shards_by_their_common_name(tmp_path: Path) -> None:
    lines(tmp_path, *(f"{split}-0000{index}-of-00002.jsonl" for split in ("train", "test") for index in (0, 1)))
    assert containers.exists(tmp_path / "train")
    assert not containers.exists(tmp_path / "validation")
    found = wheres(tmp_path / "train", tmp_path)
    assert found == [f"train-0000{index}-of-00002.jsonl row 1" for index in (0, 1)]


def test_several_tars_are_one_data_set(tmp_path: Path) -> None:
    for index in range(3):
        write_tar(tmp_path / f"x-{index}.tar", [(f"{index}.txt", b"x")])
    assert [row["__key__"] for row in rows(tmp_path)] == ["0", "1", "2"]


def test_data_file_that_is_a_link_out(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    lines(tmp_path, "outside.jsonl")
    (tmp_path / "data" / "x.jsonl").symlink_to(tmp_path / "outside.jsonl")
    with pytest.raises(
        BadDatasetError, match=r"x\.jsonl is a link out of the folder of the data; copy the file into it"
    ):
        rows(tmp_path / "data")


CONTENTS = {
    "parquet": lambda file: pq.write_table(pa.table({"a": ["x"]}), file),
    "tar": lambda file: write_tar(file, [("1.txt", b"x")]),
    "tar.gz": lambda file: write_tar(file, [("1.txt", b"x")], "w:gz"),
    "list": lambda file: file.write_text('[{"a": "x"}]'),
    "lines": lambda file: file.write_text('{"a": "x"}\n{"a": "y"}\n'),
    "indented": lambda file: file.write_text('{\n"data": [{"a": "x"}]}'),
    "stream": lambda file: pa.ipc.new_stream(str(file), pa.schema({"a": pa.string()})).close(),
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_kind_by_content(tmp_path: Path, kind: str) -> None:
    CONTENTS[kind](tmp_path / "x")
    found = rows(tmp_path / "x")
    assert len(found) == {"lines": 2, "stream": 0}.get(kind, 1)


def test_content_of_no_known_kind(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(bytes(100))
    with pytest.raises(
        BadDatasetError, match=r"^x\.bin is no kind of data file that is known; use JSONL, CSV, Parquet"
    ):
        rows(tmp_path / "x.bin")


def pictures(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(RED)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_image_folder_with_metadata(tmp_path: Path, kind: str) -> None:
    pictures(tmp_path, "a/1.png", "2.png")
    row = {"file_name": "a/1.png", "left_file_name": "2.png", "text": "x"}
    if kind == "csv":
        (tmp_path / "metadata.csv").write_text(",".join(row) + "\n" + ",".join(row.values()) + "\n")
    elif kind == "jsonl":
        (tmp_path / "metadata.jsonl").write_text(json.dumps(row))
    else:
        pq.write_table(pa.Table.from_pylist([row]), tmp_path / "metadata.parquet")
    expected = [row | {"image": "a/1.png", "left": "2.png"}]
    assert rows(tmp_path) == expected
    assert rows(tmp_path / f"metadata.{kind}") == expected


def test_metadata_with_lists_of_pictures(tmp_path: Path) -> None:
    (tmp_path / "metadata.jsonl").write_text('{"file_names": ["1.png", "2.png"]}\n[1]')
    assert rows(tmp_path) == [{"file_names": ["1.png", "2.png"], "images": ["1.png", "2.png"]}, [1]]


def test_names_in_metadata_are_relative_to_it(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "metadata.jsonl").write_text('{"file_name": "1.png"}\n{"file_name": "/x"}\n{"file_name": 3}')
    found = rows(tmp_path / "train", tmp_path)
    assert [row["image"] for row in found] == ["train/1.png", "/x", 3]


def test_metadata_in_each_folder_below(tmp_path: Path) -> None:
    pictures(tmp_path, "b/1.png", "a/x/1.png")
    (tmp_path / "b" / "metadata.csv").write_text("file_name,text\n1.png,B\n")
    (tmp_path / "a" / "x" / "metadata.jsonl").write_text('{"file_name": "1.png", "text": "A"}')
    assert [(row["image"], row["text"]) for row in rows(tmp_path)] == [("a/x/1.png", "A"), ("b/1.png", "B")]


@pytest.mark.parametrize("below", ["", "a/"])
def test_two_metadata_files_of_one_folder(tmp_path: Path, below: str) -> None:
    lines(tmp_path, f"{below}metadata.jsonl", f"{below}metadata.csv")
    with pytest.raises(
        BadDatasetError, match=r" holds metadata\.csv and metadata\.jsonl; keep the one that is meant\."
    ):
        rows(tmp_path)


def test_bare_image_folder(tmp_path: Path) -> None:
    pictures(tmp_path, "dog/2.JPG", "cat/1.png", "cat/3.webp", "top.png", ".hidden/4.png", "cat/.5.png")
    (tmp_path / "cat" / "1.txt").write_text("a cat\n")
    (tmp_path / "notes.md").write_text("x")
    assert rows(tmp_path) == [
        {"image": "top.png", "file_name": "top.png"},
        {"image": "cat/1.png", "file_name": "cat/1.png", "label": "cat", "text": "a cat"},
        {"image": "cat/3.webp", "file_name": "cat/3.webp", "label": "cat"},
        {"image": "dog/2.JPG", "file_name": "dog/2.JPG", "label": "dog"},
    ]
    assert wheres(tmp_path)[1] == "cat/1.png row 2"


def test_text_beside_a_picture(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    pictures(tmp_path / "x", "1.png", "2.png")
    (tmp_path / "x" / "1.txt").symlink_to(tmp_path / "secret")
    (tmp_path / "x" / "2.txt").write_bytes(b"\xff")
    assert rows(tmp_path / "x") == [
        "text: 1.txt is a link out of the data's folder; copy the file into the folder",
        "text: 2.txt is not UTF-8; save the file as UTF-8",
    ]
