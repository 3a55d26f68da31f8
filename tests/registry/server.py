"""Build and start the registry: `with running() as registry: ...`."""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.ports import free_ports
from sandbox.processes import Child
from support.go_server import await_port, ensure_built

SOURCES = Path(__file__).parent
USER, PASSWORD = "pusher", "test-password"
# bcrypt of PASSWORD with the least rounds, as `htpasswd -B` writes it.
ACCOUNTS = "pusher:$2b$04$q6rPXV66IlEjnSaH6zwhdO5Bx1K/05JfmB2yyaZ2g0Gwt5wo/pTIa"


@dataclass(frozen=True)
class Registry:
    """The running server."""

    port: int
    folder: Path

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"


@contextmanager
def running(accounts: str | None = None) -> Iterator[Registry]:
    """The server on a free port, empty; it ends with this process. `accounts` is a htpasswd file's content."""
    binary = ensure_built(SOURCES)
    with tempfile.TemporaryDirectory(prefix="vft-oci-") as place:
        folder = Path(place) / "registry"
        folder.mkdir()
        (port,) = free_ports(1)
        command = [str(binary), "-address", f"127.0.0.1:{port}", "-root", str(folder)]
        if accounts is not None:
            (Path(place) / "accounts").write_text(accounts)
            command += ["-htpasswd", str(Path(place) / "accounts")]
        child = Child("registry", command, Path(place) / "log")
        try:
            await_port(child, port, "the registry")
            yield Registry(port, folder)
        finally:
            child.stop(hard=True)


def docker_config(folder: Path, host: str, user: str = USER, password: str = PASSWORD) -> Path:
    """A dockerconfigjson with credentials for `host`."""
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    file = folder / "config.json"
    file.write_text(json.dumps({"auths": {host: {"auth": auth}}}))
    return file
