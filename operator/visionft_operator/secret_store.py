"""Keeps the report server's certificate in a Secret of the operator's namespace."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from visionft_operator.kube import SECRETS, ApiError, Kube
from visionft_operator.names import LABEL_MANAGED_BY, MANAGED_BY
from visionft_operator.tls import StoreConflictError

SECRET_NAME = "visionft-report-tls"  # noqa: S105 - a name; the rights in deploy/rbac.yaml are for it alone


class SecretStore:
    """Implements `tls.CertificateStore`."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self._kube = kube
        self._namespace = namespace
        self._version: str | None = None

    async def load(self) -> dict[str, bytes] | None:
        """Return the Secret's entries, None when there is no Secret."""
        secret = await self._kube.get(SECRETS, self._namespace, SECRET_NAME)
        if secret is None:
            self._version = None
            return None
        self._version = secret["metadata"]["resourceVersion"]
        return {name: base64.b64decode(value) for name, value in secret.get("data", {}).items()}

    async def save(self, data: Mapping[str, bytes]) -> None:
        """Create or replace the Secret. Raises StoreConflictError when it changed since `load`."""
        metadata: dict[str, object] = {
            "name": SECRET_NAME,
            "namespace": self._namespace,
            "labels": {LABEL_MANAGED_BY: MANAGED_BY},
        }
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "Opaque",
            "metadata": metadata,
            "data": {name: base64.b64encode(value).decode("ascii") for name, value in data.items()},
        }
        try:
            if self._version is None:
                stored = await self._kube.create(SECRETS, secret)
            else:
                metadata["resourceVersion"] = self._version
                stored = await self._kube.replace(SECRETS, secret)
        except ApiError as error:
            if error.status in (404, 409):
                raise StoreConflictError(f"Secret {self._namespace}/{SECRET_NAME} changed meanwhile") from error
            raise
        self._version = stored["metadata"]["resourceVersion"]
