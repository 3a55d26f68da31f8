"""JSON files: lists, objects around a list, JSON lines under another ending; bounded and with named places."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from support.container_rows import rows, wheres
from visionft_trainer.data.containers import json_file
from visionft_trainer.errors import BadDatasetError

ROWS = [{"a": 1}, {"a": [1.5, None, True, 'ä]}\\"']}, {"a": {"b": {}}}]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ROWS),
        json.dumps(ROWS, indent=2),
        json.dumps(ROWS, ensure_ascii=False),
        "\ufeff \n" + json.dumps(ROWS) + "\n\n",
        json.dumps({"data": ROWS}),
        json.dumps({"version": {"data": [1]}, "rows": ROWS, "rest": 1}, indent=1),
        "\n".join(json.dumps(row) for row in ROWS),
        json.dumps({"data": [1]}).replace("[1]", "3") + "\n" + "\n".join(json.dumps(row) for row in ROWS),
    ],
    ids=["list", "indented", "not-ascii", "bom", "data", "rows", "lines", "lines-with-data"],
)
@pytest.mark.parametrize("read_bytes", [1, 3, 2**20])
def test_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, read_bytes: int) -> None:
    monkeypatch.setattr(json_file, "READ_BYTES", read_bytes)  # so that values are cut everywhere
    (tmp_path / "x.json").write_text(text, encoding="utf-8")
    assert rows(tmp_path / "x.json")[-3:] == ROWS
    assert wheres(tmp_path / "x.json")[0] == "x.json row 1"


@pytest.mark.parametrize("text", ["", " \n", "[]", "[ ]", '{"data": []}'])
def test_no_rows(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    assert rows(tmp_path / "x.json") == []


def test_single_line_with_one_object_is_one_row(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"a": 1}')
    assert rows(tmp_path / "x.json") == [{"a": 1}]


def test_numbers_at_the_edge_of_what_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_file, "READ_BYTES", 1)
    (tmp_path / "x.json").write_text("[12345, 1.5e3, -7, true]")
    assert rows(tmp_path / "x.json") == [12345, 1500.0, -7, True]


def test_row_with_nan_is_bad_and_the_next_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('[{"a": NaN}, {"a": -Infinity}, {"a": 1}]')
    assert rows(tmp_path / "x.json") == [
        "holds NaN, which is not JSON; use a number or null",
        "holds -Infinity, which is not JSON; use a number or null",
        {"a": 1},
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[{"a": 1}, {"a": ', "x.json row 2 is not JSON (Expecting value, character 7)"),
        ('[{"a": 1}', "x.json row 1 is not JSON (the file ends where ',' is expected)"),
        ('[{"a": 1} {"a": 2}]', "x.json row 1 is not JSON ('{' stands where ',' is expected)"),
        ('[{"a": 1},]', "x.json row 2 is not JSON (Expecting value"),
        ("[{'a': 1}]", "x.json row 1 is not JSON (Expecting property name"),
        ("[1][2]", "x.json goes on after the list"),
        ("3", "x.json is no list of objects"),
        ('{\n"a": 1\n}', "x.json is an object without a list under data or rows"),
        ('{\n"a": 1, "data": 3}', "x.json is an object without a list under data or rows"),
        ('{\n"a" 1}', "x.json is not JSON ('1' stands where ':' is expected)"),
        ("[" + "[" * 100_000, "x.json row 1 is nested too deeply"),
        (f"[{'9' * 5000}]", "x.json row 1 holds an integer of more than 4,300 digits"),
        (b'[{"a": "\xff"}]', "x.json is not UTF-8"),
        (b'[{"a": "\xc3', "x.json is not UTF-8"),
    ],
)
def test_broken_file_is_named(tmp_path: Path, text: Any, complaint: str) -> None:
    (tmp_path / "x.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(BadDatasetError) as error:
        rows(tmp_path / "x.json")
    assert str(error.value).startswith(complaint)


def test_gigantic_value_is_refused_before_it_fills_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_file, "MAX_ROW_BYTES", 2**16)
    monkeypatch.setattr(json_file, "READ_BYTES", 2**12)
    (tmp_path / "x.json").write_text('[{"a": 1}, "' + "x" * 2**22 + '"]')
    tracemalloc.start()
    with pytest.raises(BadDatasetError, match=r"x\.json row 2 is longer than 64 MiB: put the images into files"):
        rows(tmp_path / "x.json")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        with (tmp_path / "x.json").open("w") as file:
            file.write("[" + ",".join(['{"a": "' + "x" * 1000 + '"}'] * count) + "]")
        tracemalloc.start()
        for _ in json_file.read_json(tmp_path / "x.json", tmp_path):
            pass
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(20_000) < peak(4_000) * 1.2 + 2**20
