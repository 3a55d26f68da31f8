"""How long another machine is waited for, and that the log says for what and for how long."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace

import pytest
from visionft_trainer.servers import patience
from visionft_trainer.servers.patience import (
    ASKING,
    CONNECT_SECONDS,
    READING,
    WRITING,
    GaveUpError,
    PassingError,
    Patience,
    persevere,
)

PLACE = "spec.output.s3: s3://models/adapter"


def failing(times: int) -> tuple[list[int], object]:
    tries: list[int] = []

    def attempt() -> str:
        tries.append(1)
        if len(tries) <= times:
            raise PassingError("the server says 503")
        return "there"

    return tries, attempt


def test_each_failed_try_is_told_with_what_comes_next(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    pauses: list[float] = []
    _, attempt = failing(2)
    assert persevere(attempt, PLACE, READING, pauses.append) == "there"  # type: ignore[arg-type, comparison-overlap]
    first, second = (record.getMessage() for record in caplog.records)
    assert first.startswith(f"{PLACE}: try 1 of 5 failed (the server says 503); again in ")
    assert second.startswith(f"{PLACE}: try 2 of 5 failed (the server says 503); again in ")
    assert first.endswith(f"given up after {READING.longest:.0f} s at the latest")
    assert pauses[0] < pauses[1]


def test_the_last_word_says_how_often_it_was_tried() -> None:
    tries, attempt = failing(99)
    with pytest.raises(GaveUpError, match=r"the server says 503; given up after 4 tries in 0 s"):
        persevere(attempt, PLACE, ASKING, lambda _: None)  # type: ignore[arg-type]
    assert len(tries) == ASKING.attempts


def test_a_try_that_gains_something_is_the_first_again() -> None:
    gained = [0]

    def attempt() -> None:
        gained[0] += 1
        if gained[0] < 20:
            raise PassingError("cut")

    persevere(attempt, PLACE, READING, lambda _: None, lambda: gained[0])
    assert gained == [20]


def test_silence_is_told_while_it_lasts(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "NOTICE_SECONDS", 0)
    caplog.set_level(logging.INFO)
    messages: list[str] = []
    told = threading.Event()

    class Hears(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())
            told.set()

    hears = Hears()
    patience.log.addHandler(hears)
    try:
        assert persevere(lambda: told.wait(60), PLACE, READING)
    finally:
        patience.log.removeHandler(hears)
    assert messages == [f"{PLACE}: no answer yet, try 1 of 5"]


@pytest.mark.parametrize(("kind", "most"), [(READING, 180), (ASKING, 90), (WRITING, 660)])
def test_a_server_that_never_answers_is_given_up_in_time(kind: Patience, most: float) -> None:
    """Minutes; before a training, less than two, and what a training has made is waited for the longest."""
    assert kind.longest <= most
    assert kind.timeout().connect == CONNECT_SECONDS <= 10
    assert replace(kind, silence=1).longest >= kind.attempts * CONNECT_SECONDS
