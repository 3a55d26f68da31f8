"""The hub's library waits without end by itself; ours does not."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest
from support.hub_endpoint import set_endpoint
from visionft_trainer.errors import RunError
from visionft_trainer.servers import patience
from visionft_trainer.servers.hub import wait_as
from visionft_trainer.sources import model


@pytest.fixture
def silent_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One that takes connections, by its system's queue, and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        set_endpoint(monkeypatch, f"http://127.0.0.1:{server.getsockname()[1]}")
        yield


def test_a_silent_hub_is_told_and_given_up(
    silent_hub: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(model, "READING", replace(patience.READING, silence=0.3))
    monkeypatch.setattr(patience, "NOTICE_SECONDS", 0)
    with pytest.raises(RunError, match=r"spec\.model\.name: org/model could not be fetched from the hub .*timed out"):
        model._download("org/model", None, ("config.json",))
    assert "spec.model.name: org/model: no answer from the hub yet" in caplog.messages


def test_a_bound_of_the_librarys_own_stays() -> None:
    import httpx2
    from huggingface_hub import get_session

    for _ in range(2):
        wait_as(patience.WRITING)
    bound = get_session().event_hooks["request"][-1]
    assert sum(type(hook) is type(bound) for hook in get_session().event_hooks["request"]) == 1
    for own, read in ((None, 60), (5, 5)):
        request = httpx2.Request("GET", "http://hub", extensions={"timeout": httpx2.Timeout(own).as_dict()})
        bound(request)
        assert request.extensions["timeout"]["read"] == read
