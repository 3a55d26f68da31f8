"""Build and start the S3 server: `with running() as store: ...`. The binary is kept per version of its sources."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from obstore.store import S3Store
from sandbox.ports import free_ports
from sandbox.processes import Child
from support.go_server import await_port, ensure_built

SOURCES = Path(__file__).parent
ACCESS_KEY, SECRET_KEY = "test-access", "test-secret-key"


@dataclass(frozen=True)
class ObjectStore:
    """The running server."""

    port: int
    folder: Path
    """Each folder in it is a bucket. What is written here by hand has no ETag."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, bucket: str) -> S3Store:
        """A plain client of one bucket, with the server's account."""
        return S3Store(
            bucket,
            endpoint=self.url,
            region="us-east-1",
            virtual_hosted_style_request=False,
            access_key_id=ACCESS_KEY,
            secret_access_key=SECRET_KEY,
            client_options={"allow_http": True},
        )


@contextmanager
def running() -> Iterator[ObjectStore]:
    """The server on a free port, with no buckets; it ends with this process."""
    binary = ensure_built(SOURCES)
    with tempfile.TemporaryDirectory(prefix="vft-s3-") as place:
        folder, attributes = Path(place) / "buckets", Path(place) / "attributes"
        folder.mkdir()
        attributes.mkdir()
        (port,) = free_ports(1)
        command = [str(binary), "-address", f"127.0.0.1:{port}", "-root", str(folder), "-attributes", str(attributes)]
        child = Child("objectstore", [*command, "-access", ACCESS_KEY, "-secret", SECRET_KEY], Path(place) / "log")
        try:
            await_port(child, port, "the S3 server")
            yield ObjectStore(port, folder)
        finally:
            child.stop(hard=True)
