"""Fixtures of the report server's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from unit.ingest.harness import Harness
from visionft_operator.ingest.limits import Limits


@pytest.fixture
def limits() -> Limits:
    """The limits of the server; a test module or a parametrization overrides them."""
    return Limits()


@pytest.fixture
async def server(limits: Limits) -> AsyncIterator[Harness]:
    harness = Harness(limits)
    await harness.start()
    yield harness
    await harness.close()
