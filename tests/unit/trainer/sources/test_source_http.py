"""Data from a web server: streamed, checked, gone on with after a cut, refused with the reason."""

import hashlib
import io
import os
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.container_rows import png, write_tar
from support.faulty_server import Fault, FaultyServer, files
from visionft_api.spec.dataset import HttpSource
from visionft_trainer.data import containers
from visionft_trainer.errors import BadDatasetError, RunError, StorageFailedError
from visionft_trainer.servers.patience import READING
from visionft_trainer.settings import Settings
from visionft_trainer.sources import http, transfer
from visionft_trainer.sources.local import LocalData

ROWS = b'{"a": 1}\n{"a": 2}\n'
BIG = b'{"a": "' + os.urandom(200_000).hex().encode() + b'"}\n'
FIELD = "spec.dataset.train.http"
PAUSES: list[float] = []


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    contents: dict[str, bytes] = {"/rows.jsonl": ROWS, "/big.jsonl": BIG}
    server = FaultyServer(files(contents))
    server.contents = contents  # type: ignore[attr-defined]
    with server.running():
        yield server


def fetched(server: FaultyServer, scratch: Path, address: str, data: bytes, **fields: Any) -> LocalData:
    settings = fields.pop("settings", Settings())
    digest = fields.pop("digest", "sha256:" + hashlib.sha256(data).hexdigest())
    source = HttpSource(url=f"{server.url}{address}", digest=digest, **fields)
    PAUSES.clear()
    return http.fetch(source, settings, "train", FIELD, scratch / "train.source", PAUSES.append)


def rows(local: LocalData) -> list[Any]:
    return [record.value for record in containers.read(local.place, local.folder, local.files)]


def test_data_file(server: FaultyServer, tmp_path: Path) -> None:
    local = fetched(server, tmp_path, "/rows.jsonl?key=1", ROWS)
    assert local.place.name == "rows.jsonl"
    assert rows(local) == [{"a": 1}, {"a": 2}]


def test_wrong_digest(server: FaultyServer, tmp_path: Path) -> None:
    with pytest.raises(BadDatasetError) as error:
        fetched(server, tmp_path, "/rows.jsonl", ROWS, digest="sha256:" + "0" * 64)
    assert str(error.value).startswith(f"{FIELD}.digest: what lies at {server.url}/rows.jsonl has the digest sha256:")
    assert hashlib.sha256(ROWS).hexdigest() in str(error.value)
    assert not (tmp_path / "train.source" / "rows.jsonl").exists()


def test_header_of_the_secret(server: FaultyServer, tmp_path: Path) -> None:
    settings = Settings.from_environment({"VISIONFT_SECRET_TRAIN_AUTHORIZATION": "Bearer x"})
    fetched(server, tmp_path, "/rows.jsonl", ROWS, settings=settings)
    assert server.requests[0].headers["authorization"] == "Bearer x"
    assert "Bearer" not in repr(settings)


@pytest.mark.parametrize(
    ("status", "complaint"),
    [
        (
            401,
            "is refused by the server (401). Name a Secret in spec.dataset.train.http.secretRef whose key",
        ),
        (403, "is refused by the server (403)"),
        (404, "is not there (404). Check the address."),
        (400, "is answered with 400. Name the address of the file itself."),
    ],
)
def test_refusal(server: FaultyServer, tmp_path: Path, status: int, complaint: str) -> None:
    server.faults["rows"] = [Fault(status=status)]
    with pytest.raises(BadDatasetError) as error:
        fetched(server, tmp_path, "/rows.jsonl", ROWS)
    assert f"{FIELD}.url: {server.url}/rows.jsonl {complaint}" in str(error.value)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_failure_then_recovery(server: FaultyServer, tmp_path: Path, status: int) -> None:
    server.faults["rows"] = [Fault(status=status)] * 3
    assert len(rows(fetched(server, tmp_path, "/rows.jsonl", ROWS))) == 2
    assert pytest.approx([0.5, 1.0, 2.0], rel=0.25) == PAUSES


def test_server_that_keeps_failing(server: FaultyServer, tmp_path: Path) -> None:
    server.faults["rows"] = [Fault(status=503)] * 99
    with pytest.raises(
        RunError,
        match=r"could not be fetched \(the server answered 503; given up after 5 tries in 0 s\)\. Check that",
    ) as error:
        fetched(server, tmp_path, "/rows.jsonl", ROWS)
    assert type(error.value) is RunError  # tried again by the operator, as a wrong address is not
    assert len(server.requests) == READING.attempts


def test_nobody_listens(server: FaultyServer, tmp_path: Path) -> None:
    source = HttpSource(url="http://127.0.0.1:9/rows.jsonl", digest="sha256:" + "0" * 64)
    with pytest.raises(RunError, match=r"could not be fetched .*refused"):
        http.fetch(source, Settings(), "train", FIELD, tmp_path, lambda _: None)


def test_cut_connections_go_on_where_they_were(server: FaultyServer, tmp_path: Path) -> None:
    server.faults["big"] = [Fault(cut_after=150_000), Fault(status=503), Fault(cut_after=100_000)]
    local = fetched(server, tmp_path, "/big.jsonl", BIG)
    assert local.place.read_bytes() == BIG
    asked = [request.headers.get("range") for request in server.requests]
    assert asked[0] is None
    assert all(value and value.startswith("bytes=") for value in asked[1:])
    assert int(asked[3].removeprefix("bytes=")[:-1]) > int(asked[1].removeprefix("bytes=")[:-1])  # type: ignore[union-attr]


def test_progress_renews_the_patience(server: FaultyServer, tmp_path: Path) -> None:
    server.faults["big"] = [Fault(cut_after=30_000)] * 8  # more than the attempts without progress
    assert fetched(server, tmp_path, "/big.jsonl", BIG).place.read_bytes() == BIG


@pytest.mark.parametrize("kind", ["no-ranges", "no-tags"])
def test_server_that_cannot_go_on_is_begun_anew(tmp_path: Path, kind: str) -> None:
    server = FaultyServer(files({"/big.jsonl": BIG}, tags=kind != "no-tags", ranges=kind != "no-ranges"))
    with server.running():
        server.faults["big"] = [Fault(cut_after=150_000)]
        assert fetched(server, tmp_path, "/big.jsonl", BIG).place.read_bytes() == BIG


def test_file_that_changed_between_two_attempts(server: FaultyServer, tmp_path: Path) -> None:
    server.faults["big"] = [Fault(cut_after=150_000, headers={"etag": '"old"'})]
    assert fetched(server, tmp_path, "/big.jsonl", BIG).place.read_bytes() == BIG
    assert server.requests[1].headers["if-range"] == '"old"'


def test_part_that_was_not_asked_for(server: FaultyServer, tmp_path: Path) -> None:
    server.faults["big"] = [Fault(cut_after=150_000), Fault(headers={"content-range": "bytes 0-9/10"})]
    assert fetched(server, tmp_path, "/big.jsonl", BIG).place.read_bytes() == BIG
    assert "range" not in server.requests[2].headers


def test_file_that_became_shorter(server: FaultyServer, tmp_path: Path) -> None:
    server.faults["big"] = [Fault(cut_after=150_000), Fault(status=416)]
    assert fetched(server, tmp_path, "/big.jsonl", BIG).place.read_bytes() == BIG


def test_disk_that_is_too_small(server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "SPARE_BYTES", 2**60)
    with pytest.raises(StorageFailedError, match=r"cannot hold it \(18 bytes are needed and 0 are free\)"):
        fetched(server, tmp_path, "/rows.jsonl", ROWS)


def tar_bytes(members: list[tuple[str, bytes]], mode: str = "w") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as tar:  # type: ignore[call-overload]
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def zip_bytes(members: list[tuple[str, bytes]]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return stream.getvalue()


def packed(kind: str, members: list[tuple[str, bytes]]) -> bytes:
    if kind == "zip":
        return zip_bytes(members)
    if kind == "tar.zst":
        import pyarrow as pa

        stream = pa.BufferOutputStream()
        with pa.CompressedOutputStream(stream, "zstd") as output:
            output.write(tar_bytes(members))
        return stream.getvalue().to_pybytes()
    return tar_bytes(members, {"tar": "w", "tar.gz": "w:gz", "tgz": "w:gz"}[kind])


KINDS = ["zip", "tar", "tar.gz", "tgz", "tar.zst"]
MEMBERS = [("set/data.jsonl", b'{"image": "images/1.png"}\n'), ("set/images/1.png", png()), ("set/other/x.jsonl", ROWS)]


def fetched_archive(server: FaultyServer, scratch: Path, name: str, data: bytes, **fields: Any) -> LocalData:
    server.contents[f"/{name}"] = data  # type: ignore[attr-defined]
    return fetched(server, scratch, f"/{name}", data, **fields)


@pytest.mark.parametrize("kind", KINDS)
def test_archive(server: FaultyServer, tmp_path: Path, kind: str) -> None:
    local = fetched_archive(server, tmp_path, f"x.{kind}", packed(kind, MEMBERS))
    assert rows(local) == [{"image": "images/1.png"}]
    assert (local.folder / "images" / "1.png").read_bytes() == png()


def test_archive_made_by_macos(server: FaultyServer, tmp_path: Path) -> None:
    junk = [("__MACOSX/set/._data.jsonl", b"x"), (".DS_Store", b"x"), ("set/._data.jsonl", b"x")]
    local = fetched_archive(server, tmp_path, "x.zip", packed("zip", [*MEMBERS, *junk]))
    assert rows(local) == [{"image": "images/1.png"}]


@pytest.mark.parametrize(("path", "count"), [("set/other", 2), ("set/other/x.jsonl", 2), ("set/data.jsonl", 1)])
def test_path_inside_an_archive(server: FaultyServer, tmp_path: Path, path: str, count: int) -> None:
    assert len(rows(fetched_archive(server, tmp_path, "x.tar", packed("tar", MEMBERS), path=path))) == count


def test_path_that_is_not_inside(server: FaultyServer, tmp_path: Path) -> None:
    with pytest.raises(BadDatasetError, match=r"\.path: the archive holds no 'nope'; at its top are set\."):
        fetched_archive(server, tmp_path, "x.zip", packed("zip", MEMBERS), path="nope")


def test_path_into_what_is_no_archive(server: FaultyServer, tmp_path: Path) -> None:
    with pytest.raises(BadDatasetError, match=r"\.path: .* is no archive, so there is nothing inside it; remove path"):
        fetched(server, tmp_path, "/rows.jsonl", ROWS, path="x")


def test_tar_of_samples_is_read_as_it_is(server: FaultyServer, tmp_path: Path) -> None:
    data = tar_bytes([("1.png", png()), ("1.txt", b"x"), ("2.png", png()), ("2.txt", b"y")])
    local = fetched_archive(server, tmp_path, "x.tar", data)
    assert [row["txt"] for row in rows(local)] == ["x", "y"]


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "a/./../../x"])
def test_names_that_lead_out(server: FaultyServer, tmp_path: Path, kind: str, name: str) -> None:
    with pytest.raises(BadDatasetError, match=r"leads out of"):
        fetched_archive(server, tmp_path, f"x.{kind}", packed(kind, [("a.jsonl", ROWS), (name, b"x")]))
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_tars(server: FaultyServer, tmp_path: Path, kind: bytes) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        info = tarfile.TarInfo("a/link")
        info.type, info.linkname = kind, "/etc"
        tar.addfile(info)
    with pytest.raises(BadDatasetError, match=r"the member 'a/link' is a link or device; pack the file itself"):
        fetched_archive(server, tmp_path, "x.tar", stream.getvalue())


def test_links_in_zips(server: FaultyServer, tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        info = zipfile.ZipInfo("link")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc")
    with pytest.raises(BadDatasetError, match=r"the member 'link' is a link or device"):
        fetched_archive(server, tmp_path, "x.zip", stream.getvalue())


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.zst"])
def test_bomb(server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr("visionft_trainer.data.containers.packed.MIN_ALLOWED_BYTES", 2**20)
    data = packed(kind, [("a.jsonl", ROWS), ("zeros", bytes(2**24))])
    with pytest.raises(BadDatasetError, match=rf"x\.{kind} unpacks to more than [\d,]+ bytes, 100 times its size"):
        fetched_archive(server, tmp_path, f"x.{kind}", data)
    assert sum(file.stat().st_size for file in tmp_path.rglob("zeros")) < 2**22


def test_too_many_files(server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visionft_trainer.sources.unpack.MAX_FILES", 10)
    data = tar_bytes([(f"{index}/{index}.txt", b"x") for index in range(11)])
    with pytest.raises(BadDatasetError, match=r"x\.tar holds more than 10 files; use tars of samples"):
        fetched_archive(server, tmp_path, "x.tar", data)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "twice", [[("a", b"1"), ("a", b"2")], [("a", b"1"), ("a/b", b"2")], [("a/b", b"1"), ("a", b"2")]]
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_come_twice(server: FaultyServer, tmp_path: Path, kind: str, twice: list[tuple[str, bytes]]) -> None:
    with pytest.raises(BadDatasetError, match=r"the archive has '\w' twice; pack it again"):
        fetched_archive(server, tmp_path, f"x.{kind}", packed(kind, [("x.jsonl", ROWS), *twice]))


@pytest.mark.parametrize("kind", KINDS)
def test_archive_that_was_cut_off(server: FaultyServer, tmp_path: Path, kind: str) -> None:
    data = packed(kind, [("a/x.jsonl", BIG), ("b/y.jsonl", BIG)])
    with pytest.raises(BadDatasetError, match=rf"x\.{kind} cannot be unpacked \(.*\)\. Make the archive again"):
        fetched_archive(server, tmp_path, f"x.{kind}", data[: len(data) * 2 // 3])


def test_plain_tar_is_kept_where_it_is_read(server: FaultyServer, tmp_path: Path) -> None:
    file = write_tar(tmp_path / "y.tar", [("1.png", png()), ("1.cls", b"7")])
    local = fetched_archive(server, tmp_path, "y.tar", file.read_bytes())
    assert local.place.is_file()
