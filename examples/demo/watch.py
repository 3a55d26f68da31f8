"""Following one VisionFineTune through the API server's own table of it, as `kubectl get --watch` does."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from kubernetes import client
from urllib3.exceptions import HTTPError
from visionft_api import GROUP, PLURAL, VERSION
from visionft_api.conditions import ConditionType

POLL_SECONDS = 0.5
REQUEST_SECONDS = 10
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
AGE = "Age"
MAX_DEAF_SECONDS = 30
"""How long the API server may be away, as while it is restarted, before that is a failure."""


class DemoError(Exception):
    """The demo cannot go on; the text is the sentence that says why."""


@dataclass(frozen=True)
class View:
    """The resource at one moment: as it is printed, and as it is."""

    columns: tuple[str, ...]
    cells: tuple[str, ...]
    resource: dict[str, Any]

    @property
    def change_key(self) -> tuple[str, ...]:
        """Everything printed but the age: two views that differ in it are worth two lines."""
        cells = (cell for name, cell in zip(self.columns, self.cells, strict=True) if name != AGE)
        return (*cells, self.stage)

    @property
    def progress(self) -> dict[str, Any]:
        """`status.progress`."""
        return dict(self.resource.get("status", {}).get("progress") or {})

    @property
    def stage(self) -> str:
        """The trainer's stage; empty while it has not told any."""
        return str(self.progress.get("stage", ""))

    @property
    def remark(self) -> str:
        """The stage in a few words, "train 240/600"; nothing more once the run is over."""
        if self.succeeded or self.problem is not None:
            return ""
        step, total = self.progress.get("step"), self.progress.get("totalSteps")
        if self.stage == "train" and step is not None and total is not None:
            return f"{self.stage} {step}/{total}"
        return self.stage

    def condition(self, kind: ConditionType) -> dict[str, Any]:
        """A condition, or an empty one."""
        for condition in self.resource.get("status", {}).get("conditions", []):
            if condition["type"] == kind:
                return dict(condition)
        return {}

    @property
    def is_current(self) -> bool:
        """Whether the status is about the spec as it is now."""
        return bool(
            self.resource.get("status", {}).get("observedGeneration") == self.resource["metadata"]["generation"]
        )

    @property
    def succeeded(self) -> bool:
        """Whether the run is over and good."""
        return self.is_current and self.condition(ConditionType.SUCCEEDED).get("status") == "True"

    @property
    def problem(self) -> str | None:
        """Why the run is over and not good, in the resource's own words."""
        if not self.is_current:
            return None
        for kind in (ConditionType.ACCEPTED, ConditionType.SUCCEEDED):
            condition = self.condition(kind)
            if condition.get("status") == "False":
                return f"{kind}=False, {condition['reason']}: {condition['message']}"
        return None


def read_view(api: client.ApiClient, namespace: str, name: str) -> View:
    """One resource with the columns that kubectl prints. Raises `ApiException`, or urllib3's `HTTPError`."""
    path = f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{PLURAL}/{name}"
    request = api.param_serialize(
        "GET", path, query_params=[("includeObject", "Object")], header_params={"Accept": TABLE}
    )
    answer = api.call_api(*request, _request_timeout=REQUEST_SECONDS)
    body = answer.read()
    if answer.status != http.client.OK:
        raise client.ApiException(status=answer.status, reason=body.decode(errors="replace"))
    return parse_table(json.loads(body))


def parse_table(table: dict[str, Any]) -> View:
    """A Table of one row, as the API server sends it, without the columns that only `-o wide` shows."""
    (row,) = table["rows"]
    shown = [index for index, column in enumerate(table["columnDefinitions"]) if column["priority"] == 0]
    return View(
        columns=tuple(table["columnDefinitions"][index]["name"] for index in shown),
        cells=tuple("" if row["cells"][index] is None else str(row["cells"][index]) for index in shown),
        resource=row["object"],
    )


def changes(
    read: Callable[[], View],
    check: Callable[[], None],
    limit_seconds: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[View]:
    """Views worth a line, until the run is over; `check` raises when something that the demo needs has died.

    Raises:
        DemoError: the run is not over after `limit_seconds`, or the API server does not answer.
    """
    end = clock() + limit_seconds
    last_answer = clock()
    before: tuple[str, ...] | None = None
    while True:
        check()
        try:
            view = read()
        except (client.ApiException, HTTPError) as error:
            if clock() - last_answer > MAX_DEAF_SECONDS:
                raise DemoError(f"The API server has not answered for {MAX_DEAF_SECONDS} s: {error}") from error
        else:
            last_answer = clock()
            over = view.succeeded or view.problem is not None
            if view.change_key != before or over:
                before = view.change_key
                yield view
            if over:
                return
        if clock() > end:
            raise DemoError(f"The run is not over after {limit_seconds / 60:.0f} minutes.")
        sleep(POLL_SECONDS)
