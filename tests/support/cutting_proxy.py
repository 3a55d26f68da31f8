"""A relay before a server, which breaks connections off after so many bytes, in the middle of whatever they carry."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

PIECE = 4096


class CuttingProxy:
    """Relays to 127.0.0.1:`target`.

    `cut_after(n)` lets n more bytes of both directions through and then resets every connection. With `down` nothing is
    let in any more until `mend()`; with `hold` connections stay open until then, but silent, and `reached` is set.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._left: int | None = None
        self._down_then = False
        self._down = False
        self._hold = False
        self.reached = threading.Event()
        self._mended = threading.Event()
        self._open: set[socket.socket] = set()
        self.carried = 0
        """Bytes since the last `cut_after` or `mend`."""
        self.port = 0

    def cut_after(self, size: int, *, down: bool = False, hold: bool = False) -> None:
        self.reached.clear()
        self._mended.clear()
        with self._lock:
            self._left, self._down_then, self._hold, self.carried = size, down, hold, 0

    def mend(self) -> None:
        with self._lock:
            self._left, self._down, self.carried = None, False, 0
        self._mended.set()

    @contextmanager
    def running(self) -> Iterator[CuttingProxy]:
        server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = server.getsockname()[1]
        thread = threading.Thread(target=self._accept, args=(server,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            server.close()
            self._reset()
            thread.join()

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            with self._lock:
                down = self._down
            if down:
                _reset(client)
                continue
            try:
                upstream = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                _reset(client)
                continue
            with self._lock:
                self._open |= {client, upstream}
            for source, sink in ((client, upstream), (upstream, client)):
                threading.Thread(target=self._relay, args=(source, sink), daemon=True).start()

    def _relay(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while piece := source.recv(PIECE):
                allowed, cut = self._allow(len(piece))
                sink.sendall(piece[:allowed])
                if cut:
                    self.reached.set()
                    if self._hold:
                        self._mended.wait()
                    self._reset()
                    return
            with contextlib.suppress(OSError):
                sink.shutdown(socket.SHUT_WR)
        except OSError:
            _reset(source)
            _reset(sink)

    def _allow(self, size: int) -> tuple[int, bool]:
        with self._lock:
            self.carried += size
            if self._left is None:
                return size, False
            if size < self._left:
                self._left -= size
                return size, False
            allowed, self._left = self._left, None
            self._down = self._down_then or self._hold
            return allowed, True

    def _reset(self) -> None:
        with self._lock:
            waiting, self._open = self._open, set()
        for each in waiting:
            _reset(each)


def _reset(connection: socket.socket) -> None:
    """Close with RST, as a network that breaks does."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
