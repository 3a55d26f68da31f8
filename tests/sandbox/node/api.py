"""A small asynchronous client of the API server: JSON in, JSON out, and watches.

The node needs six verbs and a switch that cuts it off from the network (`Api.disconnect`), which a
general client has no room for.
"""

import asyncio
import base64
import json
import ssl
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import yaml

REQUEST_TIMEOUT_SECONDS = 15
WATCH_TIMEOUT_SECONDS = 240

CONTENT_TYPES = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}


class ApiError(Exception):
    """The API server refused a request: HTTP `status`, Kubernetes `reason` and `message`."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message


class ApiUnavailableError(Exception):
    """The API server could not be reached or did not answer in time."""


class Api:
    """Client for the cluster and user of a kubeconfig's current context."""

    def __init__(self, kubeconfig: Path) -> None:
        cluster, user = _current_context(kubeconfig)
        self.server: str = cluster["server"].rstrip("/")
        self.tls = _tls_context(cluster, user, kubeconfig.parent)
        # The API server takes the part before "/" as the field manager.
        self._headers = {"User-Agent": "kubelet/sandbox"}
        if user.get("token"):
            self._headers["Authorization"] = f"Bearer {user['token']}"
        self._session: aiohttp.ClientSession | None = None
        self._connected = asyncio.Event()
        self._connected.set()
        self._disconnected = asyncio.Event()

    async def __aenter__(self) -> "Api":
        connector = aiohttp.TCPConnector(ssl=self.tls, limit=0)
        self._session = aiohttp.ClientSession(connector=connector, headers=self._headers)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    @property
    def connected(self) -> bool:
        """False while the node is cut off by `disconnect`."""
        return self._connected.is_set()

    def disconnect(self) -> None:
        """Hold every later request until `connect`, as a broken network would."""
        self._connected.clear()
        self._disconnected.set()

    def connect(self) -> None:
        """Let requests through again."""
        self._disconnected.clear()
        self._connected.set()

    async def wait_disconnected(self) -> None:
        """Return when the node is cut off: a watch then has to be given up by its caller."""
        await self._disconnected.wait()

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        return await self._request("GET", path, params=params)

    async def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return await self._request("POST", path, body=body)

    async def put(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return await self._request("PUT", path, body=body)

    async def delete(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return await self._request("DELETE", path, body=body)

    async def patch(self, path: str, body: Mapping[str, Any], kind: str = "merge") -> dict[str, Any]:
        """Patch; `kind` is "merge" or "strategic" (lists such as conditions merge by their key)."""
        return await self._request("PATCH", path, body=body, content_type=CONTENT_TYPES[kind])

    async def watch(self, path: str, params: Mapping[str, str]) -> AsyncIterator[dict[str, Any]]:
        """Yield watch events until the server closes the stream.

        Raises:
            ApiError: the watch was refused or told to list again (410).
            ApiUnavailableError: the connection broke.
        """
        await self._connected.wait()
        query = {**params, "watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(WATCH_TIMEOUT_SECONDS)}
        # A server that froze sends nothing, not even the end of the stream.
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=WATCH_TIMEOUT_SECONDS + 15)
        try:
            async with self._require_session().get(self.server + path, params=query, timeout=timeout) as response:
                await _raise_for_status(response)
                async for line in _lines(response.content):
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise _error_from_status(event["object"], 410)
                    yield event
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiUnavailableError(str(error)) from error

    async def _request(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        """Raises ApiError or ApiUnavailableError."""
        await self._connected.wait()
        data = None if body is None else json.dumps(body)
        headers = None if body is None else {"Content-Type": content_type}
        timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_SECONDS, sock_connect=5)

        async def send() -> dict[str, Any]:
            async with self._require_session().request(
                method, self.server + path, params=params, data=data, headers=headers, timeout=timeout
            ) as response:
                await _raise_for_status(response)
                answer: dict[str, Any] = await response.json()
                return answer

        try:
            try:
                return await send()
            except aiohttp.ServerDisconnectedError:
                # A connection kept from before the server restarted; nothing that the node asks for hurts twice.
                return await send()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiUnavailableError(f"{method} {path}: {error}") from error

    def _require_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("Api is used outside of its `async with` block")
        return self._session


async def _lines(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Split a byte stream at newlines; unlike the stream's own iterator, without a cap on the line's length."""
    rest = b""
    async for chunk in stream.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line


async def _raise_for_status(response: aiohttp.ClientResponse) -> None:
    if response.status < 400:
        return
    text = await response.text()
    try:
        raise _error_from_status(json.loads(text), response.status)
    except json.JSONDecodeError:
        raise ApiError(response.status, response.reason or "", text.strip()) from None


def _error_from_status(status: Mapping[str, Any], code: int) -> ApiError:
    return ApiError(status.get("code", code), status.get("reason", ""), status.get("message", ""))


def _current_context(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    config = yaml.safe_load(path.read_text())
    context = _named(config["contexts"], config["current-context"])["context"]
    return _named(config["clusters"], context["cluster"])["cluster"], _named(config["users"], context["user"])["user"]


def _named(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(item for item in items if item["name"] == name)


def _tls_context(cluster: Mapping[str, str], user: Mapping[str, str], base: Path) -> ssl.SSLContext:
    authority = _material(cluster, "certificate-authority", base)
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    certificate, key = _material(user, "client-certificate", base), _material(user, "client-key", base)
    if certificate and key:
        # The ssl module reads a client certificate from a file only.
        with tempfile.NamedTemporaryFile(suffix=".pem") as pem:
            pem.write(certificate + b"\n" + key)
            pem.flush()
            context.load_cert_chain(pem.name)
    return context


def _material(section: Mapping[str, str], key: str, base: Path) -> bytes | None:
    if encoded := section.get(f"{key}-data"):
        return base64.b64decode(encoded)
    if name := section.get(key):
        return (base / name).read_bytes()
    return None
