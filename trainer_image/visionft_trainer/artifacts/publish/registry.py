"""The part of the OCI distribution API by which blobs and manifests are pushed, going on where a connection was cut.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""

from __future__ import annotations

import base64
import ipaddress
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from visionft_trainer.artifacts.publish.destination import persevere
from visionft_trainer.errors import BadConfigError, StorageFailedError
from visionft_trainer.servers.patience import PASSING, WRITING, PassingError, Patience, Sleep
from visionft_trainer.storage.plain_files import read_text

if TYPE_CHECKING:
    import httpx2

PIECE_BYTES = 64 * 2**20  # sent at a time; what a registry has of a blob is asked for after a cut
READ_BYTES = 2**20
BEARER = re.compile(r'(\w+)="([^"]*)"')
# What an upload is answered that the registry knows nothing of any more, or of which it has other bytes than were sent.
FORGOTTEN = (400, 404, 416)
ELSEWHERE = (301, 302, 303, 307, 308)
RANGE = re.compile(r"(?:bytes=)?0-(\d+)")
DOCKER_HUB = "docker.io"
DOCKER_HUB_NAMES = ("https://index.docker.io/v1/", "index.docker.io", "registry-1.docker.io")


@dataclass(frozen=True)
class Credentials:
    """Of one registry."""

    user: str
    password: str


def credentials_of(config: Path | None, host: str, field: str) -> Credentials | None:
    """What a dockerconfigjson holds for `host`. Raises `BadConfigError` where the file cannot be read."""
    if config is None:
        return None
    try:
        entries = json.loads(read_text(config)).get("auths", {})
        names = [host, f"https://{host}", f"https://{host}/", *(DOCKER_HUB_NAMES if host == DOCKER_HUB else ())]
        entry = next((entries[name] for name in names if name in entries), None)
        if entry is None:
            return None
        if "username" in entry:
            return Credentials(entry["username"], entry["password"])
        user, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
        return Credentials(user, password)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadConfigError(
            f"{field}.secretRef: {config} is not a dockerconfigjson ({type(error).__name__}). Make the Secret by: "
            "kubectl create secret docker-registry."
        ) from None


def is_loopback(host: str) -> bool:
    """Whether `host` (with or without a port) is this machine: the only one that is spoken to without TLS."""
    name = urlsplit(f"//{host}").hostname or ""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class Registry:
    """One repository of a registry. Use as a context manager."""

    def __init__(
        self,
        repository: str,
        credentials: Credentials | None,
        field: str,
        sleep: Sleep = time.sleep,
        piece_bytes: int = PIECE_BYTES,
        patience: Patience = WRITING,
    ) -> None:
        import httpx2

        self.host, _, self.name = repository.partition("/")
        server = "registry-1.docker.io" if self.host == DOCKER_HUB else self.host
        self._base = f"{'http' if is_loopback(server) else 'https'}://{server}/v2/{self.name}/"
        self._credentials, self._field, self._piece = credentials, field, piece_bytes
        self._patience, self._sleep = patience, sleep
        self._authorization: str | None = None
        self._client = httpx2.Client(timeout=patience.timeout())

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def check(self) -> None:
        """Begin an upload and give it up: whether this repository may be written. Raises `StorageFailedError`."""

        def attempt() -> None:
            place = self.begin()
            self.ask("DELETE", place, (204, 202, 200, 404, 405))

        self._patiently(attempt, "its uploads")

    def push_blob(self, file: Path, digest: str, size: int) -> None:
        """Bring a file there, unless it is there. Raises `StorageFailedError`."""
        upload = _Upload(self, file, digest, size, self._piece)
        what = f"{self._field}: {file.name} to {self._where}"
        persevere(upload.attempt, what, self._patience, self._sleep, lambda: upload.sent)

    def push_bytes(self, content: bytes, digest: str) -> None:
        """Bring a small blob there."""

        def attempt() -> None:
            if not self.has_blob(digest):
                self.ask("PUT", _with(self.begin(), digest), (201,), content=content)

        self._patiently(attempt, digest)

    def push_manifest(self, content: bytes, media_type: str, reference: str) -> None:
        """Write a manifest under its digest or a tag."""

        def attempt() -> None:
            self.ask(
                "PUT", urljoin(self._base, f"manifests/{reference}"), (201,), {"Content-Type": media_type}, content
            )

        self._patiently(attempt, reference)

    def has_blob(self, digest: str) -> bool:
        """Whether the repository holds a blob; one that lies in another store is told by where it is."""
        answer = self.ask("HEAD", urljoin(self._base, f"blobs/{digest}"), (200, 404, *ELSEWHERE))
        return answer.status_code != 404

    @property
    def _where(self) -> str:
        return f"{self.host}/{self.name}"

    def _patiently(self, attempt: Any, what: str) -> None:
        persevere(attempt, f"{self._field}: {what} of {self._where}", self._patience, self._sleep)

    def begin(self) -> str:
        """The address of a new upload."""
        return self.location(self.ask("POST", urljoin(self._base, "blobs/uploads/"), (202,)))

    def location(self, response: httpx2.Response) -> str:
        """Where the upload goes on."""
        found = response.headers.get("location")
        if not found:
            raise self._no_registry(f"{response.status_code} without saying where the upload goes on")
        return urljoin(str(response.request.url), found)

    def ask(
        self,
        method: str,
        url: str,
        expected: tuple[int, ...],
        headers: dict[str, str] | None = None,
        content: bytes | Iterator[bytes] | None = None,
    ) -> httpx2.Response:
        """One request, with the registry's rights. Raises `PassingError` or `StorageFailedError`."""
        import httpx2

        own = urlsplit(url).netloc == urlsplit(self._base).netloc
        sent = dict(headers or {})
        if own and self._authorization is not None:
            sent["Authorization"] = self._authorization
        try:
            response = self._client.request(method, url, headers=sent, content=content)
            if response.status_code == 401 and own and self._authorize(response):
                if not isinstance(content, bytes | None):
                    raise PassingError("the registry wants to know again who is writing")
                sent["Authorization"] = str(self._authorization)
                response = self._client.request(method, url, headers=sent, content=content)
        except (httpx2.TransportError, httpx2.StreamError) as error:
            raise self._cut(error) from error
        if response.status_code in expected:
            return response
        raise self._refusal(response)

    def _authorize(self, response: httpx2.Response) -> bool:
        """Get the right that the registry asks for; whether there is any other than before."""
        scheme, _, rest = response.headers.get("www-authenticate", "").partition(" ")
        before = self._authorization
        if scheme.lower() == "basic" and self._credentials is not None:
            self._authorization = _basic(self._credentials)
        elif scheme.lower() == "bearer":
            self._authorization = self._token(dict(BEARER.findall(rest)))
        return self._authorization != before

    def _token(self, asked: dict[str, str]) -> str:
        realm = asked.get("realm", "")
        parts = urlsplit(realm)
        if parts.scheme != "https" and not is_loopback(parts.netloc):
            raise StorageFailedError(
                f"{self._field}: {self.host} sends to {realm!r} for a token, which is not https. Nothing was sent "
                "there."
            )
        scope = asked.get("scope") or f"repository:{self.name}:pull,push"
        query = {"scope": scope} | ({"service": asked["service"]} if asked.get("service") else {})
        headers = {"Authorization": _basic(self._credentials)} if self._credentials is not None else {}
        response = self._client.get(realm, params=query, headers=headers)
        if response.status_code != 200:
            raise self._refusal(response)
        try:
            answer = response.json()
            return f"Bearer {answer.get('token') or answer['access_token']}"
        except (ValueError, KeyError, AttributeError):
            raise PassingError(f"{realm} gave no token") from None

    def _cut(self, error: Exception) -> Exception:
        said = str(error) or type(error).__name__
        if "certificate" in said.lower():
            return StorageFailedError(
                f"{self._field}.repository: the certificate of {self.host} is not trusted here ({said}). Mend it, or "
                "use an image whose trust store has its authority."
            )
        return PassingError(said)

    def _refusal(self, response: httpx2.Response) -> Exception:
        status = response.status_code
        said = f"the registry says {status}{_words(response)}"
        if status in (401, 403):
            whose = "Check the Secret of" if self._credentials is not None else "Name a Secret in"
            return StorageFailedError(
                f"{self._field}: {self._where} must not be written ({said}). {whose} {self._field}.secretRef, of type "
                f"kubernetes.io/dockerconfigjson with an entry for {self.host} that may push."
            )
        if status == 404:
            return StorageFailedError(
                f"{self._field}.repository: {self._where} is not there ({said}). Check the name; some registries want "
                "a repository to be made before."
            )
        if status in (413, 507) or "quota" in said.lower():
            return StorageFailedError(
                f"{self._field}: {self._where} has no room ({said}). Raise the registry's quota or its largest blob, "
                "or lower spec.output.maxShardSize."
            )
        if 400 <= status < 500 and status not in PASSING:
            return StorageFailedError(f"{self._field}: {self._where} refuses the upload ({said}).")
        if status < 400:
            return self._no_registry(f"{response.request.method} by {status}")
        return PassingError(said)

    def _no_registry(self, what: str) -> StorageFailedError:
        return StorageFailedError(
            f"{self._field}.repository: {self.host} does not speak as a registry: it answers {what}. Check the host "
            "and its port; a web page of a registry is not the registry."
        )


class _Upload:
    """A blob on its way."""

    def __init__(self, registry: Registry, file: Path, digest: str, size: int, piece: int) -> None:
        self._registry, self._file, self._digest, self._size, self._piece = registry, file, digest, size, piece
        self._place: str | None = None
        self.sent = 0
        """Bytes that the registry has."""

    def attempt(self) -> None:
        """Send what is missing. Raises `PassingError` or `StorageFailedError`."""
        registry = self._registry
        if registry.has_blob(self._digest):
            return
        self._resume()
        place = self._place
        assert place is not None  # `_resume` has found or begun one
        if self._size <= self._piece and self.sent == 0:
            self._put(place, 0, self._size)
            return
        while self.sent < self._size:
            end = min(self.sent + self._piece, self._size)
            place = self._patch(place, self.sent, end)
        self._put(place, 0, 0)

    def _resume(self) -> None:
        """Find out what the registry has of an upload that was begun, or begin one."""
        registry = self._registry
        if self._place is not None:
            response = registry.ask("GET", self._place, (200, 204, *FORGOTTEN))
            found = RANGE.fullmatch(response.headers.get("range", ""))
            # An upload that has nothing yet is told as 0-0, as one of a single byte is: it is begun anew.
            if response.status_code not in FORGOTTEN and found is not None and found[1] != "0":
                self.sent, self._place = int(found[1]) + 1, registry.location(response)
                return
        self._place, self.sent = registry.begin(), 0

    def _patch(self, place: str, start: int, end: int) -> str:
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(end - start),
            "Content-Range": f"{start}-{end - 1}",
        }
        response = self._registry.ask("PATCH", place, (202, *FORGOTTEN), headers, _pieces(self._file, start, end))
        self._unless_forgotten(response)
        self._place, self.sent = self._registry.location(response), end
        return self._place

    def _put(self, place: str, start: int, end: int) -> None:
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(end - start)}
        url = _with(place, self._digest)
        self._unless_forgotten(
            self._registry.ask("PUT", url, (201, *FORGOTTEN), headers, _pieces(self._file, start, end))
        )
        self.sent = self._size

    def _unless_forgotten(self, response: httpx2.Response) -> None:
        if response.status_code in FORGOTTEN:
            self._place, self.sent = None, 0
            raise PassingError(f"the registry gave the upload up: {response.status_code}{_words(response)}")


def _pieces(file: Path, start: int, end: int) -> Iterator[bytes]:
    with file.open("rb") as stream:
        stream.seek(start)
        while start < end and (piece := stream.read(min(READ_BYTES, end - start))):
            start += len(piece)
            yield piece


def _with(place: str, digest: str) -> str:
    return f"{place}{'&' if urlsplit(place).query else '?'}digest={digest}"


def _basic(credentials: Credentials) -> str:
    return "Basic " + base64.b64encode(f"{credentials.user}:{credentials.password}".encode()).decode()


def _words(response: httpx2.Response) -> str:
    """What a registry says beside the number: `, DENIED: requested access to the resource is denied`."""
    try:
        first = response.json()["errors"][0]
        return f", {first.get('code', '')}: {first.get('message', '')}"[:300]
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""
