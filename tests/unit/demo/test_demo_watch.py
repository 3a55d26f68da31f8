"""Following the resource: a line for each change, an end for each end, patience with an API server that restarts."""

from collections.abc import Callable
from typing import Any

import pytest
from kubernetes import client
from watch import MAX_DEAF_SECONDS, DemoError, View, changes, parse_table


def condition(kind: str, status: str, reason: str = "Because", message: str = "So it is.") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def view(*conditions: dict[str, str], age: str = "1s", percent: str = "", generation: int = 1, **progress: Any) -> View:
    resource = {
        "metadata": {"name": "digits", "generation": generation},
        "status": {"observedGeneration": 1, "conditions": list(conditions), "progress": progress},
    }
    return View(("Name", "Progress", "Age"), ("digits", percent, age), resource)


SUCCEEDED = view(condition("Succeeded", "True"), age="9s")


class Answers:
    """An API server that answers as told, each `step` seconds after the one before, and a screen that keeps it all."""

    def __init__(self, *answers: View | Exception, step: float = 1.0) -> None:
        self._answers = iter(answers)
        self._now = 0.0
        self._step = step
        self.shown: list[View] = []

    def read(self) -> View:
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def follow(self, limit: float = 1000.0, check: Callable[[], None] = lambda: None) -> list[View]:
        for shown in changes(self.read, check, limit, clock=lambda: self._now, sleep=self._sleep):
            self.shown.append(shown)
        return self.shown

    def _sleep(self, _: float) -> None:
        self._now += self._step


def follow(*answers: View | Exception) -> list[View]:
    return Answers(*answers).follow()


def test_an_older_age_alone_is_no_line() -> None:
    first, later = view(age="1s"), view(age="5s")
    assert follow(first, later, SUCCEEDED) == [first, SUCCEEDED]


def test_a_new_stage_is_a_line_even_when_no_column_changes() -> None:
    load, train = view(stage="load"), view(stage="train")
    assert follow(load, train, SUCCEEDED) == [load, train, SUCCEEDED]


def test_the_end_is_shown_once_and_is_the_end() -> None:
    assert follow(SUCCEEDED, view(percent="7%")) == [SUCCEEDED]


@pytest.mark.parametrize("kind", ["Accepted", "Succeeded"])
def test_a_bad_end_is_told_in_the_resources_own_words(kind: str) -> None:
    bad = view(condition(kind, "False", "BadDataset", "train.jsonl, row 3: no answer. Add one."))
    assert follow(bad) == [bad]
    assert bad.problem == f"{kind}=False, BadDataset: train.jsonl, row 3: no answer. Add one."
    assert not bad.succeeded


def test_the_status_of_an_older_spec_is_not_the_end() -> None:
    old = view(condition("Succeeded", "True"), generation=2)
    assert not old.succeeded
    assert follow(old, SUCCEEDED)[-1] == SUCCEEDED


def test_an_api_server_that_restarts_is_waited_for() -> None:
    gone = client.ApiException(status=503, reason="starting")
    assert follow(view(), gone, gone, SUCCEEDED) == [view(), SUCCEEDED]


def test_an_api_server_that_stays_away_is_a_failure() -> None:
    gone = client.ApiException(status=503, reason="gone for good")
    server = Answers(view(), *[gone] * MAX_DEAF_SECONDS * 2)
    with pytest.raises(DemoError, match=f"has not answered for {MAX_DEAF_SECONDS} s"):
        server.follow()
    assert server.shown == [view()]


def test_a_run_without_end_is_a_failure() -> None:
    with pytest.raises(DemoError, match="not over after 10 minutes"):
        Answers(*[view()] * 100, step=60).follow(limit=600)


def test_a_dead_operator_is_noticed_at_once() -> None:
    def check() -> None:
        raise DemoError("The operator has ended.")

    with pytest.raises(DemoError, match="operator has ended"):
        Answers(SUCCEEDED).follow(check=check)


def test_the_remark_tells_the_stage_and_while_training_the_step() -> None:
    assert view().remark == ""
    assert view(stage="baseline", step=0, totalSteps=600).remark == "baseline"
    assert view(stage="train", step=240, totalSteps=600).remark == "train 240/600"


def test_columns_are_those_that_kubectl_prints_without_wide() -> None:
    table = {
        "columnDefinitions": [
            {"name": "Name", "priority": 0},
            {"name": "Progress", "priority": 0},
            {"name": "Run", "priority": 1},
        ],
        "rows": [{"cells": ["digits", None, 3], "object": {"metadata": {"name": "digits"}}}],
    }
    parsed = parse_table(table)
    assert parsed.columns == ("Name", "Progress")
    assert parsed.cells == ("digits", "")
    assert parsed.resource == {"metadata": {"name": "digits"}}
