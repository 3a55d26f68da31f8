"""`kubectl logs`: the kubelet's /containerLogs endpoint over TLS on a free loopback port."""

import asyncio
import ipaddress
import ssl
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sandbox.node.container import ContainerRunner
from sandbox.node.logfile import tail_offset
from sandbox.node.records import Waiting
from sandbox.node.status import NODE_IP

FOLLOW_POLL_SECONDS = 0.2
CHUNK_BYTES = 64 * 1024
CERTIFICATE_LIFE = timedelta(days=365)
UNSUPPORTED = ("timestamps", "sinceSeconds", "sinceTime")

FindContainer = Callable[[str, str, str], ContainerRunner | None]
"""(namespace, pod, container) -> its runner."""


class LogServer:
    """Serves logs; with a client CA file, only to callers whose certificate it signed (the API server)."""

    def __init__(self, name: str, find: FindContainer, reachable: Callable[[], bool], client_ca: Path | None) -> None:
        self._find = find
        self._reachable = reachable
        self._tls = _tls_context(name, client_ca)
        self._runner: web.AppRunner | None = None

    async def start(self) -> int:
        """Listen on a free port of the loopback and return it."""
        app = web.Application()
        app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._logs)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, NODE_IP, 0, ssl_context=self._tls).start()
        port: int = self._runner.addresses[0][1]
        return port

    async def stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        if not self._reachable():
            raise web.HTTPServiceUnavailable(text="the node is cut off from the network\n")
        if asked := [option for option in UNSUPPORTED if request.query.get(option, "false") != "false"]:
            raise web.HTTPBadRequest(text=f"the sandbox node keeps no times of log lines: {', '.join(asked)}\n")
        name = request.match_info["container"]
        runner = self._find(request.match_info["namespace"], request.match_info["pod"], name)
        if runner is None:
            raise web.HTTPNotFound(text=f"container {name} of this pod is not on this node\n")
        previous = request.query.get("previous") == "true"
        instance = runner.record.restarts - previous
        log = runner.log_file(instance)
        if not log.exists():
            pod = request.match_info["pod"]
            state = runner.record.state
            if previous:
                raise web.HTTPBadRequest(text=f'previous terminated container "{name}" in pod "{pod}" not found')
            reason = state.reason if isinstance(state, Waiting) else "ContainerCreating"
            raise web.HTTPBadRequest(text=f'container "{name}" in pod "{pod}" is waiting to start: {reason}')
        return await _send(request, log, lambda: runner.process is not None and runner.record.restarts == instance)


async def _send(request: web.Request, log: Path, running: Callable[[], bool]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    tail = request.query.get("tailLines")
    left = int(request.query.get("limitBytes", 2**63))
    follow = request.query.get("follow") == "true"
    with log.open("rb") as file:
        file.seek(tail_offset(log, int(tail)) if tail else 0)
        while left > 0:
            # Asked before reading: what is written before the end is read after it.
            more = follow and running()
            while left > 0 and (chunk := file.read(min(CHUNK_BYTES, left))):
                left -= len(chunk)
                await response.write(chunk)
            if not more:
                break
            await asyncio.sleep(FOLLOW_POLL_SECONDS)
    await response.write_eof()
    return response


def _tls_context(name: str, client_ca: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(client_ca) if client_ca else None)
    if client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
    with tempfile.NamedTemporaryFile(suffix=".pem") as pem:
        pem.write(_self_signed(name))
        pem.flush()
        context.load_cert_chain(pem.name)
    return context


def _self_signed(name: str) -> bytes:
    """A certificate and its key in PEM, as a kubelet makes for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address(NODE_IP))]
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + CERTIFICATE_LIFE)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoded_key = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + encoded_key
