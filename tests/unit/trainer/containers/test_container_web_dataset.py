"""WebDataset tars: samples, spans, several shards, and archives that are broken or hostile."""

import gzip
import io
import tarfile
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from support.container_rows import png, rows, wheres, write_tar
from visionft_trainer.data import containers
from visionft_trainer.data.containers import web_dataset
from visionft_trainer.data.rows import Picture, Span
from visionft_trainer.errors import BadDatasetError

RED, BLUE = png(10), png(20)
MEMBERS = [
    ("a/0001.jpg", RED),
    ("a/0001.json", b'{"question": "q", "answer": "a"}'),
    ("a/0002.left.png", RED),
    ("a/0002.right.PNG", BLUE),
    ("a/0002.txt", b" words\n"),
    ("a/0002.npy", b"ignored"),
    ("b.cls", b"7"),
]
ROWS = [
    {
        "__key__": "a/0001",
        "jpg": RED,
        "image": RED,
        "json": {"question": "q", "answer": "a"},
        "question": "q",
        "answer": "a",
    },
    {"__key__": "a/0002", "left.png": RED, "right.png": BLUE, "images": [RED, BLUE], "txt": "words"},
    {"__key__": "b", "cls": "7"},
]


@pytest.mark.parametrize(("name", "mode"), [("x.tar", "w"), ("x.tar.gz", "w:gz"), ("x.tgz", "w:gz"), ("x.tar", "w:gz")])
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, mode: str, form: int) -> None:
    monkeypatch.setattr(tarfile.TarFile, "format", form)
    assert rows(write_tar(tmp_path / name, MEMBERS, mode)) == ROWS
    assert wheres(tmp_path / name) == [f"{name} row {row}" for row in (1, 2, 3)]


def test_files_that_macos_adds_are_no_samples(tmp_path: Path) -> None:
    junk = [("._a", b"x"), ("a/._0001.jpg", b"x"), (".DS_Store", b"x")]
    assert rows(write_tar(tmp_path / "x.tar", [*junk[:1], MEMBERS[0], *junk[1:], *MEMBERS[1:]])) == ROWS


def test_tar_packed_by_zstd(tmp_path: Path) -> None:
    plain = write_tar(tmp_path / "plain.tar", MEMBERS)
    with pa.CompressedOutputStream(str(tmp_path / "x.tar.zst"), "zstd") as file:
        file.write(plain.read_bytes())
    assert rows(tmp_path / "x.tar.zst") == ROWS


def test_pictures_of_a_plain_tar_stay_in_it(tmp_path: Path) -> None:
    file = write_tar(tmp_path / "x.tar", MEMBERS)
    picture = next(containers.read(file, tmp_path)).value["image"]
    assert picture == Picture(Span(file, 512, len(RED)), "image 'a/0001.jpg'")


def test_long_names_and_folders(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        folder = tarfile.TarInfo("a" * 200)
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        info = tarfile.TarInfo("a" * 200 + "/1.txt")
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))
    assert [row["txt"] for row in rows(tmp_path / "x.tar")] == ["x"]


def test_sizes_around_a_block(tmp_path: Path) -> None:
    members = [(f"{size}.txt", b"x" * size) for size in (1, 511, 512, 513, 1024, 40_000)]
    for name, mode in (("x.tar", "w"), ("x.tar.gz", "w:gz")):
        assert [len(row["txt"]) for row in rows(write_tar(tmp_path / name, members, mode))] == [
            len(data) for _, data in members
        ]


@pytest.mark.parametrize("name", ["/etc/passwd.txt", "../1.txt", "a/../../1.txt"])
def test_names_that_lead_out(tmp_path: Path, name: str) -> None:
    file = write_tar(tmp_path / "x.tar", [(name, b"x"), ("1.txt", b"y")])
    assert rows(file)[0] == f"the member {name!r} leads out of the archive; pack it again without it"
    assert rows(file)[1]["txt"] == "y"


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        info = tarfile.TarInfo("1.png")
        info.type, info.linkname = kind, "/etc/passwd"
        tar.addfile(info)
    assert rows(tmp_path / "x.tar") == ["the member '1.png' is a link or device; pack the file itself"]


@pytest.mark.parametrize(
    ("members", "complaint"),
    [
        ([("1.json", b"{")], "the member '1.json' is not JSON (Expecting property name"),
        ([("1.json", b"\xff")], "the member '1.json' is not UTF-8"),
        ([("1.txt", b"\xff")], "txt: the member '1.txt' is not UTF-8; save it as UTF-8"),
        ([("1.txt", b"a"), ("1.txt", b"b")], "txt: the sample '1' has two members of this ending"),
    ],
)
def test_bad_sample(tmp_path: Path, members: list[tuple[str, bytes]], complaint: str) -> None:
    found = rows(write_tar(tmp_path / "x.tar", [*members, ("2.txt", b"good")]))
    assert complaint in found[0]
    assert found[1]["txt"] == "good"


def test_member_too_large_for_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_dataset, "MAX_ROW_BYTES", 100)
    members = [("1.txt", b"x" * 200), ("2.png", png() + bytes(200))]
    assert "has 200 bytes, above 64 MiB; make it smaller" in rows(write_tar(tmp_path / "x.tar", members))[0]
    packed = rows(write_tar(tmp_path / "y.tar.gz", members, "w:gz"))
    assert "unpack the archive, pictures of a plain tar may be larger" in packed[1]


def hostile_header(folder: Path, kind: bytes, size: int) -> Path:
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, size
    (folder / "x.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(2048))
    return folder / "x.tar"


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
@pytest.mark.parametrize("size", [2**33, 2**62])
def test_header_that_would_take_the_memory(tmp_path: Path, kind: bytes, size: int) -> None:
    with pytest.raises(
        BadDatasetError, match=r"^x\.tar sample 1 cannot be read as a tar \(a member's header says that"
    ):
        rows(hostile_header(tmp_path, kind, size))


def zstd(data: bytes) -> bytes:
    return pa.compress(data, "zstd", asbytes=True)


def damaged(data: bytes, name: str) -> bytes:
    return {
        "half": data[: len(data) // 2],
        "header": data[:100],
        "text": b"not a tar" * 200,
        "checksum": data[:512] + b"x" * 512 + data[1024:],
        "half-gzip": gzip.compress(data)[:3000],
        "broken-gzip": gzip.compress(data)[:3000] + b"x" * 200,
        "half-zstd": zstd(data)[:3000],
    }[name]


@pytest.mark.parametrize("name", ["half", "header", "text", "half-gzip", "broken-gzip", "half-zstd"])
def test_broken_archive(tmp_path: Path, name: str) -> None:
    noise = Random(0)  # so that it does not shrink
    members = [(f"{index}.txt", noise.randbytes(700).hex().encode()) for index in range(9)]
    data = write_tar(tmp_path / "good.tar", members).read_bytes()
    (tmp_path / "x.tar").write_bytes(damaged(data, name))
    with pytest.raises(BadDatasetError, match=r"^(x\.tar sample \d+ cannot be read as a tar|.*cannot be read)"):
        rows(tmp_path / "x.tar")


def test_members_are_not_gathered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_tar(tmp_path / "x.tar", [(f"{index}.txt", b"x") for index in range(500)])
    kept: list[int] = []
    following = tarfile.TarFile.next

    def counted(self: Any) -> Any:
        kept.append(len(self.members))
        return following(self)

    monkeypatch.setattr(tarfile.TarFile, "next", counted)
    assert len(rows(file)) == 500
    assert max(kept) <= 1
