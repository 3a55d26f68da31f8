"""Packed text files are read like plain ones, bounded; what is broken is named."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from support.container_rows import rows, wheres
from visionft_trainer.data.containers import packed
from visionft_trainer.errors import BadDatasetError


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return bytes(sink.getvalue())


PACK = {".gz": gzip.compress, ".zst": zstd}
TEXTS = {
    ".jsonl": b'{"a": "1"}\n{"a": "2"}\n',
    ".json": b'[{"a": "1"}, {"a": "2"}]',
    ".csv": b"a,b\n1,\n2,\n",
    ".tsv": b"a\n1\n2\n",
}


@pytest.mark.parametrize("ending", PACK)
@pytest.mark.parametrize("text", TEXTS)
def test_rows_of_a_packed_file(tmp_path: Path, text: str, ending: str) -> None:
    file = tmp_path / f"train{text}{ending}"
    file.write_bytes(PACK[ending](TEXTS[text]))
    assert [row["a"] for row in rows(file)] == ["1", "2"]
    assert wheres(tmp_path)[0].startswith(f"{file.name} row ")


def test_packed_metadata_names_pictures(tmp_path: Path) -> None:
    (tmp_path / "metadata.jsonl.gz").write_bytes(gzip.compress(b'{"file_name": "1.png"}'))
    assert rows(tmp_path) == [{"file_name": "1.png", "image": "1.png"}]


def test_two_packed_files_of_one_set_are_its_shards(tmp_path: Path) -> None:
    for number in (0, 1):
        (tmp_path / f"train-{number:05}-of-00002.jsonl.gz").write_bytes(gzip.compress(b'{"a": %d}' % number))
    assert rows(tmp_path) == [{"a": 0}, {"a": 1}]


@pytest.mark.parametrize("ending", PACK)
@pytest.mark.parametrize("damage", [lambda data: data[:-6], lambda data: b"{}" + data], ids=["cut", "not packed"])
def test_broken_file_is_named(tmp_path: Path, ending: str, damage: Callable[[bytes], bytes]) -> None:
    file = tmp_path / f"x.jsonl{ending}"
    file.write_bytes(damage(PACK[ending](TEXTS[".jsonl"] * 999)))
    with pytest.raises(BadDatasetError, match=rf"x\.jsonl\{ending} cannot be unpacked .*Pack the file again"):
        rows(file)


@pytest.mark.parametrize("ending", PACK)
def test_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    monkeypatch.setattr(packed, "MIN_ALLOWED_BYTES", 2**20)
    file = tmp_path / f"x.jsonl{ending}"
    file.write_bytes(PACK[ending](b"{}\n" * 2**20))
    with pytest.raises(BadDatasetError, match="unpacks to more than 1,048,576 bytes, 100 times its size"):
        rows(file)
