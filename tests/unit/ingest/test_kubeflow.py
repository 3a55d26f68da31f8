"""Kubeflow's form: what a status has a place for arrives there, the rest does no harm."""

from datetime import UTC, datetime, timedelta

import pytest
from visionft_operator.ingest.refusal import RefusedError
from visionft_operator.ingest.wire import read_report

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def kubeflow(*metrics: tuple[str, str], **fields):
    status = {"lastUpdatedTime": "2026-01-01T11:59:59.500000+00:00"} | fields
    if metrics:
        status["metrics"] = [{"name": name, "value": value} for name, value in metrics]
    return {"trainerStatus": {name: value for name, value in status.items() if value is not None}}


def test_every_name_that_transformers_logs_finds_its_field():
    report = read_report(
        kubeflow(
            ("loss", "0.4312"),
            ("learning_rate", "2e-05"),
            ("current_step", "90"),
            ("total_steps", "200"),
            ("current_epoch", "0.45"),
            ("train_samples_per_second", "3.5"),
            ("grad_norm", "1.7"),
            progressPercentage=45,
            estimatedRemainingSeconds=795,
        ),
        NOW,
    )
    assert report.progress.to_json() == {
        "percent": 45,
        "stage": "train",
        "step": 90,
        "totalSteps": 200,
        "epoch": "0.450000",
        "etaSeconds": 795,
        "loss": "0.431200",
        "learningRate": "0.000020",
        "samplesPerSecond": "3.500000",
        "lastUpdated": "2026-01-01T12:00:00Z",
    }


@pytest.mark.parametrize(
    ("sent", "kept"), [("3.2e-07", "3.200000e-07"), ("1e-12", "1.000000e-12"), ("0.0", "0.000000")]
)
def test_the_tail_of_a_falling_learning_rate_keeps_its_digits(sent, kept):
    assert read_report(kubeflow(("learning_rate", sent)), NOW).progress.learning_rate == kept


def test_an_integer_metric_that_python_printed_as_a_float_is_a_step():
    assert read_report(kubeflow(("current_step", "90.0")), NOW).progress.step == 90


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "None", "", "a lot", "1e400"])
def test_a_metric_without_a_value_is_left_out_and_the_rest_kept(value):
    progress = read_report(kubeflow(("loss", value), ("current_step", value), progressPercentage=3), NOW).progress
    assert (progress.percent, progress.loss, progress.step) == (3, None, None)


def test_two_reports_within_a_second_keep_their_order():
    first = read_report(kubeflow(lastUpdatedTime="2026-01-01T11:59:59.100000+00:00"), NOW)
    second = read_report(kubeflow(lastUpdatedTime="2026-01-01T11:59:59.300000+00:00"), NOW)
    assert first.sequence < second.sequence


def test_without_a_time_the_order_is_that_of_arrival():
    first = read_report(kubeflow(lastUpdatedTime=None), NOW)
    second = read_report(kubeflow(lastUpdatedTime=None), NOW + timedelta(milliseconds=1))
    assert first.sequence < second.sequence


def test_too_many_metrics_are_refused():
    with pytest.raises(RefusedError, match=r"trainerStatus.metrics: Too many: 257"):
        read_report(kubeflow(*[(f"m{number}", "1") for number in range(257)]), NOW)
