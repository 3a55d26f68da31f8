"""What the start waits for."""

from __future__ import annotations

import aiohttp
import pytest
from visionft_operator import startup
from visionft_operator.kube import ApiError
from visionft_operator.tls import StoreConflictError


@pytest.mark.parametrize(
    "error",
    [
        ApiError(404, "NotFound", "no such kind"),
        aiohttp.ClientConnectionError("refused"),
        TimeoutError(),
        StoreConflictError("another replica was faster"),
    ],
)
async def test_what_passes_by_itself_is_waited_for(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr(startup, "WAIT_SECONDS", 0.0)
    results: list[Exception | None] = [error, error, None]

    async def work() -> None:
        result = results.pop(0)
        if result is not None:
            raise result

    await startup._when_possible("the test", work)
    assert results == []
