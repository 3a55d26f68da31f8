"""A web server that hands out what a test gives it, and fails on demand: cuts connections, refuses, recovers."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Fault:
    """What happens to a request in place of its answer, or to the answer."""

    status: int | None = None
    """Answered instead of what was asked for."""
    cut_after: int | None = None
    """Bytes of the body after which the connection is closed."""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Answer:
    """An answer as a whole."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Request:
    """What a test can ask of a request that came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""


class FaultyServer:
    """Gives `respond(request)`; the faults in `faults` befall the next requests whose path holds their key.

    Those in `methods` befall the next requests of a method; a fault without a status is none.
    """

    def __init__(self, respond: Callable[[Request], Answer]) -> None:
        self.requests: list[Request] = []
        self.faults: dict[str, list[Fault]] = {}
        self.methods: dict[str, list[Fault]] = {}
        self._respond = respond
        self._lock = threading.Lock()
        self.url = ""

    def fault(self, request: Request) -> Fault | None:
        with self._lock:
            self.requests.append(request)
            for key, waiting in self.faults.items():
                if key in request.path and waiting:
                    return waiting.pop(0)
            waiting = self.methods.get(request.method, [])
            return waiting.pop(0) if waiting else None

    @contextmanager
    def running(self) -> Iterator[FaultyServer]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                headers = {key.lower(): value for key, value in self.headers.items()}
                request = Request(self.command, self.path, headers, self._body(headers))
                fault = outer.fault(request) or Fault()
                answer = Answer(fault.status, {}, b"") if fault.status else outer._respond(request)
                self._send(answer, fault)

            do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

            def _body(self, headers: dict[str, str]) -> bytes:
                if headers.get("transfer-encoding") != "chunked":
                    return self.rfile.read(int(headers.get("content-length") or 0))
                pieces = []
                while size := int(self.rfile.readline(), 16):
                    pieces.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(pieces)

            def _send(self, answer: Answer, fault: Fault) -> None:
                given = {key.lower(): value for key, value in (answer.headers | fault.headers).items()}
                headers = {"content-length": str(len(answer.body)), **given}
                self.send_response(answer.status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command == "HEAD":
                    return
                self.wfile.write(answer.body if fault.cut_after is None else answer.body[: fault.cut_after])
                if fault.cut_after is not None:
                    self.wfile.flush()
                    self.close_connection = True
                    self.connection.shutdown(2)

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def files(contents: dict[str, bytes], *, tags: bool = True, ranges: bool = True) -> Callable[[Request], Answer]:
    """An answerer that serves files by their paths, in ranges where these are asked for."""

    def respond(request: Request) -> Answer:
        body = contents.get(urlsplit(request.path).path)
        if body is None:
            return Answer(404, {}, b"")
        return part(body, request, '"v1"' if tags else None, ranges=ranges)

    return respond


def part(body: bytes, request: Request, tag: str | None, *, ranges: bool = True) -> Answer:
    """`body`, or the part of it that `request` asks for."""
    headers = {"etag": tag} if tag else {}
    wanted = request.headers.get("range")
    if not ranges or wanted is None or request.headers.get("if-range") not in (None, tag):
        return Answer(200, headers, body)
    first, _, last = wanted.removeprefix("bytes=").partition("-")
    start, end = int(first), int(last) + 1 if last else len(body)
    if start >= len(body):
        return Answer(416, headers, b"")
    piece = body[start:end]
    headers["content-range"] = f"bytes {start}-{start + len(piece) - 1}/{len(body)}"
    return Answer(206, headers, piece)


def forward(host: str, port: int) -> Callable[[Request], Answer]:
    """An answerer that asks another server."""

    def respond(request: Request) -> Answer:
        connection = http.client.HTTPConnection(host, port, timeout=10)
        try:
            headers = {key: value for key, value in request.headers.items() if key != "transfer-encoding"}
            connection.request(request.method, request.path, request.body, headers)
            response = connection.getresponse()
            body = response.read()
            kept = {
                key: value
                for key, value in response.getheaders()
                if key.lower() not in ("transfer-encoding", "connection")
            }
            return Answer(response.status, kept, body)
        finally:
            connection.close()

    return respond
