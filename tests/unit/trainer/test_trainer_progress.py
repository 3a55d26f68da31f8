"""What is told of a run while it runs."""

import io
import logging

import pytest
from visionft_api.status import Stage
from visionft_trainer.reporting.console import Bar, Lines, describe
from visionft_trainer.reporting.progress import Progress, Snapshot


class Recorder:
    def __init__(self) -> None:
        self.seen: list[Snapshot] = []

    def show(self, snapshot: Snapshot) -> None:
        self.seen.append(snapshot)

    def close(self) -> None:
        pass


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def train(progress: Progress, clock: Clock, steps: range, seconds: float) -> None:
    for step in steps:
        clock.now += seconds
        progress.trained(step, 100, epoch=step / 50, loss=1 / step, learning_rate=1e-3, batch=16, gpu_memory=None)


def test_percent_never_falls_and_ends_at_100() -> None:
    recorder, clock = Recorder(), Clock()
    progress = Progress([recorder], clock)
    for stage in Stage:
        progress.enter(stage)
        if stage == Stage.TRAIN:
            train(progress, clock, range(1, 101), 0.1)
        else:
            for done in range(11):
                progress.tick(done, 10)
    progress.finish()
    percents = [snapshot.percent for snapshot in recorder.seen]
    assert percents == sorted(percents)
    assert (percents[0], percents[-1]) == (0, 100)
    assert max(snapshot.percent for snapshot in recorder.seen if not snapshot.finished) < 100 + 1


def test_speed_and_time_left_follow_the_last_steps() -> None:
    recorder, clock = Recorder(), Clock()
    progress = Progress([recorder], clock)
    progress.enter(Stage.TRAIN)
    train(progress, clock, range(1, 41), 10.0)
    train(progress, clock, range(41, 81), 0.5)
    snapshot = recorder.seen[-1]
    assert snapshot.samples_per_second == pytest.approx(32)
    assert snapshot.eta_seconds == 10


def test_a_log_gets_a_line_now_and_then() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = Progress([Lines(stream, clock)], clock)
    progress.enter(Stage.LOAD)
    progress.enter(Stage.TRAIN)
    train(progress, clock, range(1, 101), 0.1)
    progress.finish()
    lines = stream.getvalue().splitlines()
    assert lines[0] == "  3%  loading the base model"
    assert 3 <= len(lines) <= 5
    assert "training: step 50/100, loss 0.0200, 5 s left" in lines[-1] or "training: step" in lines[-1]


def test_a_note_is_kept_and_logged_at_the_level_of_its_kind(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    progress = Progress()
    progress.note("It stopped early.", logging.INFO)
    progress.note("It overfits.")
    assert progress.snapshot.notes == ("It stopped early.", "It overfits.")
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("INFO", "It stopped early."),
        ("WARNING", "It overfits."),
    ]


def test_description() -> None:
    assert describe(Snapshot(stage=Stage.BASELINE, done=3, total=8)) == "measuring the base model: 3/8"
    assert describe(Snapshot(stage=Stage.INGEST, done=3)) == "reading rows and images: 3"
    snapshot = Snapshot(stage=Stage.TRAIN, step=4, total_steps=9, loss=0.5, validation_loss=0.25, eta_seconds=3700)
    assert describe(snapshot) == "training: step 4/9, loss 0.5000, validation loss 0.2500, 1 h 01 min left"


def test_bar_shows_the_last_state() -> None:
    stream = io.StringIO()
    bar = Bar(stream)
    bar.show(Snapshot(stage=Stage.EXPORT))
    bar.close()
    assert "writing artifacts" in stream.getvalue()
