"""Writes a pod's latest status until the API server has it."""

import asyncio
import logging
from typing import Any

from sandbox.node.api import Api, ApiError, ApiUnavailableError

logger = logging.getLogger(__name__)

RETRY_SECONDS = 1.0


class StatusWriter:
    """Only the newest status matters: one that is overtaken while the server is away is never sent."""

    def __init__(self, api: Api, pod: dict[str, Any]) -> None:
        metadata = pod["metadata"]
        self._api = api
        self._uid = metadata["uid"]
        self._path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/status"
        self._wanted: dict[str, Any] | None = None
        self._written: dict[str, Any] | None = None
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def put(self, status: dict[str, Any]) -> None:
        """Have this status written soon."""
        self._wanted = status
        if self._wanted != self._written:
            self._idle.clear()
            self._changed.set()

    def rewrite(self) -> None:
        """Write the newest status again: somebody else has changed it meanwhile."""
        if self._wanted is not None:
            self._written = None
            self._idle.clear()
            self._changed.set()

    async def flush(self) -> None:
        """Return when the newest status is written (or the pod does not exist any more)."""
        await self._idle.wait()

    async def run(self) -> None:
        """Write for ever."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            status = self._wanted
            try:
                # The uid keeps a status from reaching a new pod of the same name.
                await self._api.patch(self._path, {"metadata": {"uid": self._uid}, "status": status}, kind="strategic")
            except ApiUnavailableError:
                await self._retry()
                continue
            except ApiError as error:
                if error.status not in (404, 409):
                    logger.warning("status of %s is refused: %s", self._path, error)
                    await self._retry()
                    continue
            self._written = status
            if self._wanted == status:
                self._idle.set()

    async def _retry(self) -> None:
        await asyncio.sleep(RETRY_SECONDS)
        self._changed.set()
