"""The trackers of a run that is interrupted and goes on: every step once, the result at the end."""

from __future__ import annotations

import os
import random
import signal
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow_server.server import running
from support.broken_tracking import Deliveries
from support.cutting_proxy import CuttingProxy
from support.tiny_spec import OUTPUT_CLAIM, tiny_run
from visionft_api.run_file import RunFile
from visionft_api.spec import MlflowSpec
from visionft_api.status import Stage
from visionft_trainer import pipeline
from visionft_trainer.errors import Interrupted
from visionft_trainer.reporting.progress import Progress, Snapshot
from visionft_trainer.reporting.report import Result
from visionft_trainer.settings import Settings
from visionft_trainer.signals import Stop
from visionft_trainer.tracking import worker
from visionft_trainer.tracking.mlflow import Mlflow
from visionft_trainer.tracking.tracker import TrackedRun

STEPS = 6


@pytest.fixture(scope="module")
def mlflow() -> Iterator[str]:
    with running() as url:
        yield url


class Interrupt:
    """Asks this process to end at a step, as an eviction does."""

    def show(self, snapshot: Snapshot) -> None:
        if snapshot.stage == Stage.TRAIN and snapshot.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    def close(self) -> None:
        pass


def pod(run_file: RunFile, settings: Settings, *listeners: Interrupt) -> Result:
    stop = Stop()
    stop.install()
    progress = Progress(listeners)
    try:
        return pipeline.run(run_file, settings, progress, stop)
    finally:
        progress.close()


def test_a_server_that_is_away_fills_no_log(caplog: pytest.LogCaptureFixture) -> None:
    """The worker says it once; MLflow's client would say it at every try, hundreds of times."""
    tracker = Mlflow(MlflowSpec(tracking_uri="http://127.0.0.1:9", experiment="x"))
    with pytest.raises(Exception, match="get-by-name"):
        tracker.begin(TrackedRun("team", "tiny", 1, "tiny-1", {}, Path()))
    assert caplog.text == ""


def test_each_tracker_has_every_step_once_and_the_result(mlflow: str, settings: Settings, tmp_path: Path) -> None:
    tracking = {
        "tensorboard": True,
        "mlflow": {"trackingUri": mlflow, "experiment": "digits"},
        "wandb": {"project": "digits"},
    }
    run_file = tiny_run(tmp_path, tracking=tracking, evaluation={"visionReliance": False, "every": 3})
    with pytest.raises(Interrupted):
        pod(run_file, settings, Interrupt())
    result = pod(run_file, settings)

    losses = {point.step: point.loss for point in result.curve if point.loss is not None}
    assert sorted(losses) == list(range(1, STEPS + 1))
    assert result.evaluation is not None
    assert result.evaluation.tuned is not None
    cer = float(result.evaluation.tuned["cer"])
    folder = settings.claims[OUTPUT_CLAIM] / "tiny" / "run-1" / "tracking"
    curve = tensorboard_scalars(folder / "tensorboard", "train/loss")
    assert [step for step, _ in curve] == sorted(losses)
    assert dict(curve) == pytest.approx(losses)
    assert tensorboard_scalars(folder / "tensorboard", "tuned/cer")[-1][1] == pytest.approx(cer)
    assert wandb_steps(folder / "wandb") == list(range(1, STEPS + 1))
    check_mlflow(mlflow, losses, cer)

    pod(run_file, settings)  # the run is complete: nothing is told twice
    check_mlflow(mlflow, losses, cer)


def test_a_delivery_to_mlflow_that_is_broken_off_is_made_whole_before_it_is_called_finished(
    mlflow: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("INTERVAL_SECONDS", "FIRST_BACKOFF_SECONDS"):
        monkeypatch.setattr(worker, name, 0.05)
    noise = random.Random(5)
    with CuttingProxy(int(mlflow.rsplit(":", 1)[1])).running() as proxy:
        deliveries = Deliveries(proxy, mlflow, tmp_path)
        deliveries.undisturbed()
        broken = [deliveries.broken(number, noise) for number in range(6)]
    assert all(delivery.right for delivery in broken), broken


def tensorboard_scalars(folder: Path, name: str) -> list[tuple[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


def wandb_steps(folder: Path) -> list[int]:
    """Steps of `train/loss` in all offline runs of the folder."""
    from wandb.proto import wandb_internal_pb2

    steps = []
    for file in sorted(folder.glob("wandb/offline-run-*/*.wandb")):
        for data in log_records(file.read_bytes()):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            items = record.history.item
            if any(item.key == "train/loss" or "train/loss" in item.nested_key for item in items):
                steps.append(record.history.step.num)
    return sorted(steps)


def log_records(log: bytes) -> Iterator[bytes]:
    """Records of W&B's offline file, which is a LevelDB log after seven bytes of its own."""
    block, header, ident = 32768, 7, 7
    position, parts = ident, b""
    while position + header <= len(log):
        if block - position % block < header:  # the rest of a block that no record fits into
            position += block - position % block
            continue
        _, size, kind = struct.unpack_from("<IHB", log, position)
        parts += log[position + header : position + header + size]
        position += header + size
        if kind in (1, 4):  # whole, or the last part
            yield parts
            parts = b""


def check_mlflow(url: str, losses: dict[int, float], cer: float) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(url)
    experiment = client.get_experiment_by_name("digits")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "tiny-run-1"
    assert run.data.params["training.learningRate"] == "3e-3"
    assert run.data.metrics["tuned/cer"] == pytest.approx(cer)
    history = {metric.step: metric.value for metric in client.get_metric_history(run.info.run_id, "train/loss")}
    assert history == pytest.approx(losses)
    assert len(client.get_metric_history(run.info.run_id, "train/loss")) == len(losses)
    assert "result.json" in {file.path for file in client.list_artifacts(run.info.run_id)}
