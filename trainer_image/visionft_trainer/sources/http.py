"""Data that a web server hands out: a data file or an archive, known by its digest."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from visionft_api.spec.dataset import HttpSource

from visionft_trainer.errors import BadDatasetError
from visionft_trainer.servers.patience import PASSING, READING, PassingError, Sleep
from visionft_trainer.settings import Settings
from visionft_trainer.sources.local import LocalData, at
from visionft_trainer.sources.transfer import filling, inside, need_room, persevere
from visionft_trainer.sources.unpack import is_archive, unpack
from visionft_trainer.storage import digest

if TYPE_CHECKING:
    import httpx2

MAC_FOLDER = "__MACOSX"  # of archives that macOS makes


def fetch(
    source: HttpSource, settings: Settings, split: str, field: str, scratch: Path, sleep: Sleep = time.sleep
) -> LocalData:
    """Download, check the digest, unpack what is an archive.

    Raises:
        BadDatasetError: refused, missing, not of this digest, or an archive that must not be unpacked.
        RunError: the server cannot be reached or keeps failing.
        StorageFailedError: the disk is too small.
    """
    name = Path(unquote(urlsplit(source.url).path)).name or "data"
    scratch.mkdir(parents=True, exist_ok=True)
    file = inside(scratch, name, f"{field}.url", BadDatasetError)
    token = settings.secret(split, "AUTHORIZATION")
    download(source.url, file, {"Authorization": token} if token else {}, field, sleep)
    found = digest.PREFIX + digest.file_digest(file)
    if found != source.digest:
        file.unlink()
        raise BadDatasetError(
            f"{field}.digest: what lies at {source.url} has the digest {found}, not {source.digest}. Check the address "
            "or, if the data was changed on purpose, write the new digest."
        )
    return _opened(file, source, scratch, field)


def _opened(file: Path, source: HttpSource, scratch: Path, field: str) -> LocalData:
    if not is_archive(file, inner=source.path is not None):
        if source.path is not None:
            raise BadDatasetError(
                f"{field}.path: {source.url} is no archive, so there is nothing inside it; remove path."
            )
        return LocalData(file, scratch)
    folder = unpack(file, scratch / f"{file.name}.unpacked", f"{field}.url")
    file.unlink()
    place = _top(folder) if source.path is None else folder / source.path
    found = at(place)
    if found is None:
        raise BadDatasetError(
            f"{field}.path: the archive holds no {source.path!r}; at its top are "
            f"{', '.join(sorted(path.name for path in folder.iterdir())[:8])}."
        )
    return found


def _top(folder: Path) -> Path:
    """The folder that all of an archive lies in, as most archives have one; what macOS adds beside it is no data."""
    inner = [path for path in folder.iterdir() if not path.name.startswith((".", MAC_FOLDER))]
    return inner[0] if len(inner) == 1 and inner[0].is_dir() else folder


def download(url: str, file: Path, headers: Mapping[str, str], field: str, sleep: Sleep = time.sleep) -> None:
    """Stream `url` to `file`, going on where a connection was cut.

    Raises:
        BadDatasetError: refused or missing.
        RunError: it kept failing.
        StorageFailedError: the disk is too small.
    """
    import httpx2

    file.unlink(missing_ok=True)
    file.touch()
    with httpx2.Client(follow_redirects=True, timeout=READING.timeout()) as client, filling(file.parent, field):
        state = _Download(client, url, file, dict(headers), field)
        persevere(state.attempt, lambda: file.stat().st_size, f"{field}.url: {url}", sleep)


class _Download:
    def __init__(self, client: httpx2.Client, url: str, file: Path, headers: dict[str, str], field: str) -> None:
        self._client, self._url, self._file, self._headers, self._field = client, url, file, headers, field
        self._version: str | None = None
        """The ETag of what was begun, so that no two versions are put together."""

    def attempt(self) -> None:
        """Fetch what is missing. Raises `PassingError`, `BadDatasetError` or `StorageFailedError`."""
        import httpx2

        begun = self._file.stat().st_size
        # Not compressed on the way: positions and the digest are those of the file.
        headers = {**self._headers, "Accept-Encoding": "identity"}
        if begun and self._version:
            headers |= {"Range": f"bytes={begun}-", "If-Range": self._version}
        try:
            with self._client.stream("GET", self._url, headers=headers) as response:
                self._check(response)
                goes_on = response.status_code == 206
                if goes_on and _start(response) != begun:
                    self._version = None  # so that the whole file is asked for
                    raise PassingError("the server answered with another part than was asked for")
                self._version = _strong_version(response)
                length = int(response.headers.get("content-length") or 0)
                need_room(self._file.parent, length, self._field)
                with self._file.open("ab" if goes_on else "wb") as target:
                    for piece in response.iter_raw():  # as they come: what was read before a cut is kept
                        target.write(piece)
        except (httpx2.TransportError, httpx2.StreamError) as error:
            raise PassingError(str(error) or type(error).__name__) from error

    def _check(self, response: httpx2.Response) -> None:
        status = response.status_code
        if status in (200, 206):
            return
        if status == 416:  # the server has less than was fetched: begin again
            self._version = None
            self._file.write_bytes(b"")
        if status >= 500 or status in PASSING or status == 416:
            raise PassingError(f"the server answered {status}")
        what = f"{self._field}.url: {self._url}"
        if status in (401, 403):
            raise BadDatasetError(
                f"{what} is refused by the server ({status}). Name a Secret in {self._field}.secretRef whose key "
                "AUTHORIZATION is the header that it wants, such as 'Bearer ...', or check the one that is named."
            )
        if status in (404, 410):
            raise BadDatasetError(f"{what} is not there ({status}). Check the address.")
        raise BadDatasetError(f"{what} is answered with {status}. Name the address of the file itself.")


def _start(response: httpx2.Response) -> int:
    """The first byte that a partial answer holds; -1 where it does not say."""
    unit, _, rest = response.headers.get("content-range", "").partition(" ")
    start = rest.partition("-")[0]
    return int(start) if unit == "bytes" and start.isdecimal() else -1


def _strong_version(response: httpx2.Response) -> str | None:
    """A name of exactly these bytes: a strong ETag, else the time of the last change."""
    tag = response.headers.get("etag")
    return tag if tag and not tag.startswith("W/") else response.headers.get("last-modified")
