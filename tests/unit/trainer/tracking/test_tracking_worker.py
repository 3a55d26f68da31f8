"""What a tracker is told, when it can be reached and when it cannot."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from visionft_trainer.reporting.progress import Progress, Snapshot
from visionft_trainer.tracking import worker as worker_module
from visionft_trainer.tracking.delivered import Delivered, Known
from visionft_trainer.tracking.tracker import Point, TrackedRun, flatten
from visionft_trainer.tracking.tracking import point_of
from visionft_trainer.tracking.worker import Ending, Worker


class Recorder:
    """A tracker that keeps what it is told, and fails as often as it should before it works."""

    name = "recorder"

    def __init__(self, *, failures: Mapping[str, int] | None = None) -> None:
        self.failures = dict(failures or {})
        self.steps: list[int] = []
        self.calls: list[str] = []
        self.figures: Mapping[str, float] = {}
        self.finished: bool | None = None

    def _maybe_fail(self, call: str) -> None:
        self.calls.append(call)
        if self.failures.get(call, 0) > 0:
            self.failures[call] -= 1
            raise ConnectionError("nobody there")

    def begin(self, run: TrackedRun) -> None:
        self._maybe_fail("begin")

    def write(self, points: Sequence[Point]) -> None:
        self._maybe_fail("write")
        self.steps += [point.step for point in points]

    def conclude(self, figures: Mapping[str, float], tags: Mapping[str, str], files: Sequence[Path]) -> None:
        self._maybe_fail("conclude")
        self.figures = figures

    def close(self, *, finished: bool) -> None:
        self._maybe_fail("close")
        self.finished = finished


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("INTERVAL_SECONDS", "FIRST_BACKOFF_SECONDS", "CLOSING_PAUSE_SECONDS"):
        monkeypatch.setattr(worker_module, name, 0.01)


RUN = TrackedRun("team", "digits", 1, "digits-1-abc", {}, Path("unused"))


def points(count: int) -> list[Point]:
    return [Point(step, {"train/loss": 1.0 / step}, step) for step in range(1, count + 1)]


ENDING = Ending(points(50), {"tuned/cer": 0.05}, {"verdict": "Passed"}, [])


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "delivered.json"


def deliver(tracker: Recorder, state: Path, ending: Ending | None = ENDING, first: int = 1) -> Known:
    worker = Worker(tracker, RUN, Delivered(state))
    for point in points(50)[first - 1 :]:
        worker.add(point)
    worker.end(ending)
    worker.join()
    return Delivered(state).of(tracker.name)


def test_every_step_arrives_once_and_the_figures_last(state: Path) -> None:
    tracker = Recorder()
    assert deliver(tracker, state) == Known([(1, 50)], ended=True)
    assert tracker.steps == list(range(1, 51))
    assert tracker.figures == {"tuned/cer": 0.05}
    assert tracker.finished is True
    assert tracker.calls[-2:] == ["conclude", "close"]


@pytest.mark.parametrize("call", ["begin", "write", "conclude", "close"])
def test_a_tracker_that_comes_back_gets_all_of_it(call: str, state: Path, caplog: pytest.LogCaptureFixture) -> None:
    tracker = Recorder(failures={call: 3})
    deliver(tracker, state)
    assert tracker.steps == list(range(1, 51))
    assert tracker.finished is True
    assert "spec.tracking.recorder: nothing could be delivered (ConnectionError: nobody there)" in caplog.text


def test_a_tracker_that_stays_away_ends_no_run(
    state: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "LAST_WORD_SECONDS", 0.2)
    tracker = Recorder(failures={"begin": 10**9})
    assert deliver(tracker, state) == Known()
    assert tracker.finished is None
    assert "not everything was delivered" in caplog.text
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2, "said once, not at each try"


def test_a_run_that_stops_on_the_way_is_not_called_finished(state: Path) -> None:
    tracker = Recorder()
    known = deliver(tracker, state, ending=None)
    assert tracker.finished is False
    assert "conclude" not in tracker.calls
    assert not known.ended


def test_steps_that_an_earlier_pod_could_not_deliver_come_with_the_result(state: Path) -> None:
    Delivered(state).note("recorder", 1, 10)
    tracker = Recorder()
    assert deliver(tracker, state, first=21) == Known([(1, 50)], ended=True)
    assert sorted(tracker.steps) == list(range(11, 51)), "1 to 10 were there, 11 to 20 come from the result's curve"


def test_points_are_what_a_snapshot_says_anew() -> None:
    heard: list[Snapshot] = []

    class Listener:
        def show(self, snapshot: Snapshot) -> None:
            heard.append(snapshot)

        def close(self) -> None: ...

    progress = Progress([Listener()])
    told = {"epoch": 0.5, "loss": 2.0, "learning_rate": 1e-3, "batch": 4.0, "gpu_memory": None}
    progress.tick(3, 10)
    progress.trained(1, 4, **told)  # type: ignore[arg-type]
    progress.tick(1, 4)
    progress.validated(1.5)
    progress.trained(2, 4, **(told | {"loss": 1.0}))  # type: ignore[arg-type]
    made = [point_of(before, now, 7.0) for before, now in zip([None, *heard], heard, strict=False)]
    values = [(point.step, dict(point.values)) for point in made if point is not None]
    assert [step for step, _ in values] == [1, 1, 2]
    assert values[0][1] == {"train/loss": 2.0, "train/learning_rate": 1e-3, "train/epoch": 0.5}
    assert values[1][1] == {"validation/loss": 1.5}
    assert values[2][1]["train/loss"] == 1.0
    assert "validation/loss" not in values[2][1]


def test_settings_are_flat_texts_without_what_is_absent() -> None:
    nested = {"model": {"uri": "pvc://a/b", "revision": None}, "evaluation": {"gates": [], "metrics": ["cer", "wer"]}}
    assert flatten(nested) == {"model.uri": "pvc://a/b", "evaluation.metrics": "cer, wer"}
