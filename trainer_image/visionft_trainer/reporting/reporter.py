"""Tells the operator how the run goes: a thread of its own, best effort, never in the training's way.

The newest state is sent; what was not sent in time is not made up for. An operator that is down costs nothing but a
retry, later and later.
"""

from __future__ import annotations

import http.client
import json
import logging
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from visionft_trainer.reporting.progress import Snapshot
from visionft_trainer.settings import Settings

INTERVAL_SECONDS = 3.0  # between two reports; a change of stage is sent at once
SILENCE_SECONDS = 20.0  # a report is sent at least so often, also when nothing changed
TIMEOUT_SECONDS = 10.0  # for one request
FIRST_BACKOFF_SECONDS = 2.0
LONGEST_BACKOFF_SECONDS = 60.0
LAST_WORD_SECONDS = 5.0  # how long the end of the run waits for the last report

log = logging.getLogger(__name__)

Send = Callable[[dict[str, object]], None]
"""Delivers one body; raises `OSError` or `http.client.HTTPException` when that fails."""
Compose = Callable[[Snapshot, int], dict[str, object]]
"""The body of report number n."""


@dataclass(frozen=True)
class HttpsSender:
    """POSTs to the operator's report server. Token and CA are read anew each time: both are renewed in place."""

    url: str
    token_file: Path | None
    ca_file: Path | None

    @classmethod
    def from_settings(cls, settings: Settings) -> HttpsSender | None:
        """None where no report server is named."""
        if settings.report_url is None:
            return None
        return cls(settings.report_url, settings.report_token_file, settings.report_ca_file)

    def __call__(self, body: dict[str, object]) -> None:
        """Send one report; no proxy is used."""
        target = urlsplit(self.url)
        headers = {"Content-Type": "application/json"}
        if self.token_file is not None:
            headers["Authorization"] = f"Bearer {self.token_file.read_text(encoding='utf-8').strip()}"
        host = target.hostname or ""
        if target.scheme == "https":
            context = ssl.create_default_context(cafile=str(self.ca_file) if self.ca_file else None)
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, target.port, timeout=TIMEOUT_SECONDS, context=context
            )
        else:
            connection = http.client.HTTPConnection(host, target.port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request("POST", target.path, json.dumps(body).encode(), headers)
            response = connection.getresponse()
            answer = response.read(4096)
            if response.status >= 300:
                raise http.client.HTTPException(f"{response.status}: {_message(answer)}")
        finally:
            connection.close()


class Reporter:
    """A progress listener that sends what it hears, at its own pace."""

    def __init__(self, send: Send, compose: Compose, clock: Callable[[], float] = time.monotonic) -> None:
        self._send = send
        self._compose = compose
        self._clock = clock
        self._condition = threading.Condition()
        self._newest: Snapshot | None = None
        self._urgent = False
        self._closing = False
        self._sequence = 0
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)
        self._thread.start()

    def show(self, snapshot: Snapshot) -> None:
        """Take the newest state; returns at once."""
        with self._condition:
            changed = self._newest is None or snapshot.stage != self._newest.stage
            self._newest = snapshot
            if changed:
                self._urgent = True
                self._condition.notify()

    def close(self) -> None:
        """Send the last state and end; waits `LAST_WORD_SECONDS` at most."""
        with self._condition:
            self._closing = True
            self._condition.notify()
        self._thread.join(LAST_WORD_SECONDS)

    def _run(self) -> None:
        backoff = 0.0
        sent: Snapshot | None = None
        sent_at = self._clock()
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._closing or self._urgent, backoff or INTERVAL_SECONDS)
                closing, snapshot = self._closing, self._newest
                self._urgent = False
            quiet = self._clock() - sent_at >= SILENCE_SECONDS
            if snapshot is not None and (snapshot != sent or quiet or closing):
                if self._try(snapshot):
                    backoff, sent, sent_at = 0.0, snapshot, self._clock()
                else:
                    backoff = min(max(2 * backoff, FIRST_BACKOFF_SECONDS), LONGEST_BACKOFF_SECONDS)
            if closing:
                return

    def _try(self, snapshot: Snapshot) -> bool:
        self._sequence += 1
        try:
            self._send(self._compose(snapshot, self._sequence))
        except Exception as error:  # whatever it is, the training goes on
            log.warning("report %d was not delivered (%s); the training goes on", self._sequence, error)
            return False
        return True


def _message(answer: bytes) -> str:
    """The `message` of a Kubernetes Status body, or the start of whatever came."""
    try:
        return str(json.loads(answer)["message"])
    except (ValueError, KeyError, TypeError):
        return answer[:200].decode(errors="replace")
