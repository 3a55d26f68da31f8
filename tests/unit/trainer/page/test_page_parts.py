"""Differences, charts, numbers and costs of the page."""

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
from visionft_api.status import Stage
from visionft_trainer.evaluation.judgement import Figure
from visionft_trainer.page import charts, cost, figures
from visionft_trainer.page.differences import Piece, compare
from visionft_trainer.page.model import Attempt, Cost
from visionft_trainer.reporting.progress import Progress
from visionft_trainer.reporting.report import CurvePoint

# --- differences ---


@pytest.mark.parametrize(
    ("right", "answer", "pieces"),
    [
        ("4711", "4711", [("same", "4711")]),
        ("4711", "4717", [("same", "471"), ("wrong", "7"), ("missing", "1")]),
        ("4711", "47", [("same", "47"), ("missing", "11")]),
        ("47", "4711", [("same", "47"), ("wrong", "11")]),
        ("4711", "0890", [("wrong", "0890")]),
        ("4711", "", []),
        ("", "x", [("wrong", "x")]),
        ("", "", []),
        ("東京都", "東京府", [("same", "東京"), ("wrong", "府"), ("missing", "都")]),
    ],
)
def test_pieces_of_an_answer(right: str, answer: str, pieces: list[tuple[str, str]]) -> None:
    assert [(piece.kind, piece.text) for piece in compare(right, answer)] == pieces


def test_pieces_give_back_both_texts() -> None:
    noise = random.Random(0)
    for _ in range(200):
        right = "".join(noise.choices("abc \n", k=noise.randrange(30)))
        answer = "".join(noise.choice([character, "", "x"]) for character in right)
        pieces = compare(right, answer)
        assert "".join(piece.text for piece in pieces if piece.kind != "missing") == answer
        if any(piece.kind == "same" for piece in pieces):
            assert "".join(piece.text for piece in pieces if piece.kind != "wrong") == right


def test_very_long_texts_are_not_compared() -> None:
    assert compare("a" * 5000, "b" * 5000) == [Piece("same", "b" * 5000)]


# --- charts ---


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0.0287, 0.6425], ["0.0", "0.2", "0.4", "0.6", "0.8"]),
        ([0.91, 0.95], ["0.91", "0.92", "0.93", "0.94", "0.95"]),
        ([0.0, 0.0], ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        ([-0.2, 0.3], ["\u22120.2", "\u22120.1", "0.0", "0.1", "0.2", "0.3"]),
        ([3.0, 260.0], ["0", "100", "200", "300"]),
        ([1e-5, 2.5e-5], ["0", "5e\u221206", "1e\u221205", "1.5e\u221205", "2e\u221205", "2.5e\u221205"]),
        ([7.0, 7.0], ["0", "2", "4", "6", "8"]),
        ([float("nan"), float("inf")], ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
    ],
)
def test_ticks_are_round_and_hold_all_values(values: list[float], ticks: list[str]) -> None:
    axis = charts.axis_for(values)
    assert [text for _, text in axis.ticks] == ticks
    assert [place for place, _ in axis.ticks] == sorted(place for place, _ in axis.ticks)


def test_dots_lie_where_their_figures_are() -> None:
    lines = [
        charts.Line("Base model", Figure(value=0.5, low=0.4, high=0.6), "base"),
        charts.Line("Tuned model", Figure(value=0.1, low=0.0, high=1.0), "tuned"),
    ]
    chart = charts.dot_chart("CER", lines, lower_is_better=True)
    assert [(dot.low, dot.value, dot.high) for dot in chart.whiskers] == [(40, 50, 60), (0, 10, 100)]
    assert chart.description == (
        "Lower is better. Base model 0.5000 (0.4000 to 0.6000); Tuned model 0.1000 (0.0000 to 1.0000)."
    )


def test_curves_are_thinned_and_keep_their_ends() -> None:
    curve = [CurvePoint(step=step, loss=1.0 / step, learning_rate=1e-4) for step in range(1, 5001)]
    chart = charts.loss_chart(curve, 5000)
    assert chart is not None
    raw, mean = chart.curves
    assert len(raw.path.split()) <= charts.DRAWN_POINTS + 2
    assert raw.path.endswith("1000,1000")
    assert [curve.name for curve in chart.curves] == ["training loss of each step", "training loss, running mean"]
    assert mean.path != raw.path
    assert chart.shipped == 100
    assert "lowest 0.0002" in chart.description


def test_a_curve_without_a_number_is_none() -> None:
    assert charts.loss_chart([CurvePoint(step=1, loss=float("nan"))], 1) is None
    assert charts.rate_chart([]) is None
    one = charts.loss_chart([CurvePoint(step=1, loss=0.5)], None)
    assert one is not None
    assert one.shipped is None


def test_a_running_mean_keeps_the_level() -> None:
    points = [(step, float(step % 2)) for step in range(200)]
    smooth = charts.running_mean(points)
    assert len(smooth) == 200
    assert all(0.3 < value < 0.7 for _, value in smooth[10:-10])


# --- numbers ---


def test_numbers_as_people_read_them() -> None:
    assert figures.number(-0.61384) == "\u22120.6138"
    assert figures.signed(0.815) == "+0.8150"
    assert figures.count(12345) == "12,345"
    assert figures.count(39.5) == "39.50"
    assert [figures.counted(rows, "row") for rows in (0, 1, 12345)] == ["0 rows", "1 row", "12,345 rows"]
    assert [figures.duration(seconds) for seconds in (0.44, 125, 4350, None)] == [
        "0.4 s",
        "2 min 5 s",
        "1 h 12 min",
        figures.NOTHING,
    ]
    assert [figures.size(octets) for octets in (12, 1536, 61_203_283_968)] == ["12 bytes", "1.5 KiB", "57 GiB"]
    assert figures.small(2.5e-5) == "2.5e\u221205"
    assert figures.moment(datetime(2026, 11, 21, 14, 3, 9, tzinfo=UTC)) == "2026-11-21 14:03 UTC"


# --- costs ---


class Time:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def train(progress: Progress, step: int, epoch: float, memory: int | None = None) -> None:
    progress.trained(step, 10, epoch=epoch, loss=1.0, learning_rate=1.0, batch=4.0, gpu_memory=memory)


def test_an_interrupted_run_s_cost_is_that_of_all_its_processes(tmp_path: Path) -> None:
    file, time = tmp_path / "cost.json", Time()
    progress = Progress([cost.Clock(file, lambda: cost.Device("H200", 2), time)])
    progress.enter(Stage.LOAD)
    time.now += 30
    progress.enter(Stage.TRAIN)
    time.now += 100
    train(progress, 4, 0.4, 2000)
    time.now += 5  # killed, before ten seconds were over

    time.now = 5000.0
    progress = Progress([cost.Clock(file, lambda: cost.Device("H200", 2), time)])
    progress.enter(Stage.LOAD)
    time.now += 20
    progress.enter(Stage.TRAIN)
    progress.resume(4, 10)
    time.now += 50
    train(progress, 5, 0.5, 3000)
    time.now += 50
    train(progress, 10, 1.0, 1000)
    progress.enter(Stage.REPORT)
    time.now += 1
    progress.finish()

    known = cost.read_cost(file)
    assert cost.seconds_by_stage(known) == {Stage.LOAD: 50.0, Stage.TRAIN: 200.0}
    assert (known.device, known.gpus, known.gpu_memory) == ("H200", 2, 3000)
    assert [(attempt.first_step, attempt.last_step) for attempt in known.attempts] == [(0, 4), (4, 10)]
    assert cost.samples_per_second(known, 400) == pytest.approx(2.0)
    assert cost.gpu_hours(known) == pytest.approx(2 * 250 / 3600)


def test_a_process_that_finds_the_run_complete_counts_for_nothing(tmp_path: Path) -> None:
    progress = Progress([cost.Clock(tmp_path / "cost.json", lambda: cost.Device("CPU", 0))])
    progress.enter(Stage.REPORT)
    progress.finish()
    progress.close()
    assert not (tmp_path / "cost.json").exists()


def test_a_full_disk_ends_no_training(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    progress = Progress([cost.Clock(tmp_path / "no such folder" / "cost.json", lambda: cost.Device("CPU", 0))])
    progress.enter(Stage.LOAD)
    progress.enter(Stage.BASELINE)
    assert "the report will say less of what the run took" in caplog.text


def test_a_broken_file_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "cost.json").write_text("{")
    assert cost.read_cost(tmp_path / "cost.json") == Cost()


def test_speed_without_steps_is_unknown() -> None:
    known = Cost(attempts=[Attempt(start_time=datetime.now(UTC), seconds={Stage.TRAIN: 5.0})])
    assert cost.samples_per_second(known, 10) is None
    assert cost.samples_per_second(Cost(), 10) is None
