"""CSV and TSV: encodings, delimiters, quotes, ragged rows, and fields without end."""

import codecs
from pathlib import Path
from typing import Any

import pytest
from support.container_rows import rows, wheres
from visionft_trainer.data.containers import delimited
from visionft_trainer.errors import BadDatasetError


def write(folder: Path, text: Any, name: str = "x.csv") -> Path:
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder / name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b\n1,2\n", [{"a": "1", "b": "2"}]),
        ("a,b\r\n1,2\r\n", [{"a": "1", "b": "2"}]),
        ("a;b\n1,5;2\n", [{"a": "1,5", "b": "2"}]),
        ("a\tb\n1\t2", [{"a": "1", "b": "2"}]),
        ('a,b\n"1,""x""\ny",\n', [{"a": '1,"x"\ny', "b": ""}]),
        (codecs.BOM_UTF8 + "a,ä\nö,ü\n".encode(), [{"a": "ö", "ä": "ü"}]),
        ("a,b\n\n1,2\n\n", [{"a": "1", "b": "2"}]),
        ("a\n1\n", [{"a": "1"}]),
        ("a,b\n", []),
        ("", []),
    ],
)
def test_rows(tmp_path: Path, text: Any, expected: list[Any]) -> None:
    assert rows(write(tmp_path, text)) == expected


def test_tsv_keeps_commas(tmp_path: Path) -> None:
    assert rows(write(tmp_path, "a,b\tc\n1\t2,3,4,5\n", "x.tsv")) == [{"a,b": "1", "c": "2,3,4,5"}]


def test_rows_are_called_by_their_first_line(tmp_path: Path) -> None:
    file = write(tmp_path, 'a,b\n1,"x\ny\nz"\n\n2,3\n4,5\n')
    assert wheres(file) == ["x.csv row 2", "x.csv row 6", "x.csv row 7"]


def test_bad_rows_are_told_and_the_next_are_read(tmp_path: Path) -> None:
    file = write(tmp_path, b'a,b\n1\n1,2,3\n\xff,1\n"1"2,3\n1,2\n')
    assert rows(file) == [
        "has 1 cells for 2 columns; give each column one, in quotes where it holds the delimiter",
        "has 3 cells for 2 columns; give each column one, in quotes where it holds the delimiter",
        "a: is not UTF-8; save the file as UTF-8",
        "is not CSV (',' expected after '\"'); put cells with quotes or line breaks in quotes",
        {"a": "1", "b": "2"},
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a,b".encode("utf-16"), "x.csv is UTF-16; save the file as UTF-8."),
        (b"a,\xff\n1,2", "x.csv: the line of column names is not UTF-8"),
        ("a,a\n1,2", "x.csv has two columns 'a'; give each column a name of its own"),
        ('"a"b,c\n', "x.csv: the line of column names is not CSV"),
    ],
)
def test_broken_file_is_named(tmp_path: Path, text: Any, complaint: str) -> None:
    with pytest.raises(BadDatasetError) as error:
        rows(write(tmp_path, text))
    assert str(error.value).startswith(complaint)


@pytest.mark.parametrize("text", ["a,b\n1,2\n3," + "x" * 5000, 'a,b\n1,2\n3,"' + "x\n" * 3000], ids=["long", "open"])
def test_field_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(delimited, "MAX_ROW_BYTES", 4096)
    with pytest.raises(
        BadDatasetError, match=r"^x\.csv row \d+ is longer than 64 MiB: .*a quote is missing that closes"
    ):
        rows(write(tmp_path, text))


def test_cell_larger_than_pythons_own_bound(tmp_path: Path) -> None:
    assert len(rows(write(tmp_path, "a\n" + "x" * 200_000))[0]["a"]) == 200_000


def test_quote_left_open_at_the_end(tmp_path: Path) -> None:
    assert rows(write(tmp_path, 'a\n1\n"2\n3\n')) == [
        {"a": "1"},
        "is not CSV (unexpected end of data); put cells with quotes or line breaks in quotes",
    ]
