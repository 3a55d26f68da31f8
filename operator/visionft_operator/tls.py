"""The report server's TLS: makes its certificate, keeps it in a store, renews it and reloads it without a restart.

    certificate = ServingCertificate(store, report_url="https://visionft-operator.visionft-system.svc:8443")
    await certificate.refresh()              # once before serving; makes or loads everything
    site = web.TCPSite(runner, host, port, ssl_context=certificate.ssl_context)
    task = asyncio.create_task(certificate.keep_fresh())
    config_map["ca.crt"] = certificate.ca_pem

What is made and when it is due is decided in `tls_material`.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Protocol

from visionft_operator.tls_material import Material, UnreadableError, renewed, serving_names

REFRESH_SECONDS = 3600.0
"""How often to look whether something is due or another replica has stored something newer."""

RETRY_SECONDS = 60.0
"""How soon to look again after the store could not be read or written."""

SAVE_ATTEMPTS = 5
"""How often to start over when another replica stored its own material at the same moment."""

logger = logging.getLogger(__name__)


class StoreConflictError(Exception):
    """Somebody else changed the store since it was loaded."""


class CertificateStore(Protocol):
    """Keeps a few named entries, together, across restarts (a Secret in the operator's namespace)."""

    async def load(self) -> dict[str, bytes] | None:
        """Return the entries, None when nothing has been stored."""

    async def save(self, data: Mapping[str, bytes]) -> None:
        """Replace all entries. Raises StoreConflictError when they changed since the last `load`."""


class ServingCertificate:
    """The certificate in use. `ssl_context` stays the same object for ever; `refresh` changes what it serves."""

    def __init__(
        self, store: CertificateStore, report_url: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._store = store
        self._names = serving_names(report_url)
        self._clock = clock
        self._material: Material | None = None
        self.ssl_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ssl_context.minimum_version = ssl.TLSVersion.TLSv1_2

    @property
    def ca_pem(self) -> str:
        """The CA bundle that trainers should trust, as PEM. Raises RuntimeError before the first `refresh`."""
        if self._material is None:
            raise RuntimeError("ServingCertificate.refresh has not been awaited yet")
        return self._material.bundle_pem.decode("ascii")

    async def refresh(self) -> bool:
        """Load what is stored, renew what is due, store and serve it. Returns whether the material in use changed.

        Raises what the store raises; what was served before goes on being served then.
        """
        for _ in range(SAVE_ATTEMPTS):
            data = await self._store.load()
            stored = self._read(data)
            material = renewed(stored, self._names, self._clock())
            if material is not stored:
                try:
                    await self._store.save(material.to_data())
                except StoreConflictError:
                    continue
                logger.info(
                    "report server certificate renewed, valid until %s",
                    material.serving.certificate.not_valid_after_utc.isoformat(),
                )
            return self._serve(material)
        raise StoreConflictError(f"the report server's certificate could not be stored in {SAVE_ATTEMPTS} attempts")

    async def keep_fresh(self) -> None:
        """Refresh for ever. A failing store is logged and tried again; it never ends the server."""
        delay = REFRESH_SECONDS
        while True:
            await asyncio.sleep(delay)
            try:
                await self.refresh()
                delay = REFRESH_SECONDS
            except Exception:
                logger.exception(
                    "report server certificate could not be refreshed, next attempt in %d s", RETRY_SECONDS
                )
                delay = RETRY_SECONDS

    def _read(self, data: Mapping[str, bytes] | None) -> Material | None:
        if not data:
            return None
        try:
            return Material.from_data(data)
        except UnreadableError as error:
            logger.warning(
                "stored report server certificate is unusable (%s): a new CA is made; pods that run now cannot report "
                "until their run ConfigMap has it, their training goes on",
                error,
            )
            return None

    def _serve(self, material: Material) -> bool:
        if self._material is not None and self._material.to_data() == material.to_data():
            return False
        # The ssl module takes a key from a file only. The file is private (0600) and gone after these lines.
        with tempfile.NamedTemporaryFile(suffix=".pem") as file:
            file.write(material.serving.key_pem + material.serving.certificate_pem)
            file.flush()
            self.ssl_context.load_cert_chain(file.name)
        self._material = material
        return True
