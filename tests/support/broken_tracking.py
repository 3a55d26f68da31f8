"""Deliveries to an MLflow server that are broken off at random points, and what the server says of them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from visionft_api.spec import MlflowSpec
from visionft_trainer.tracking.delivered import Delivered
from visionft_trainer.tracking.mlflow import Mlflow
from visionft_trainer.tracking.tracker import Point, TrackedRun
from visionft_trainer.tracking.worker import Ending, Worker

from support.cutting_proxy import CuttingProxy

STEPS = 40
FILE_BYTES = 60_000
FIGURES = {"baseline/cer": 0.7, "tuned/cer": 0.05}


@dataclass(frozen=True)
class Delivery:
    """One delivery, broken off after so many bytes on the wire."""

    after: int
    of: int
    """Bytes that an undisturbed one takes."""
    finished: bool
    """Whether the server calls the run FINISHED in the end."""
    steps: int
    """Steps of the curve that are there, each counted once."""
    doubled: int
    """Points that are there more than once: what a request had brought before its answer was cut."""
    file_whole: bool

    @property
    def right(self) -> bool:
        return self.finished and self.steps == STEPS and self.file_whole


class Deliveries:
    """Delivers runs through the relay and looks at the server itself."""

    def __init__(self, proxy: CuttingProxy, direct: str, folder: Path) -> None:
        self._proxy = proxy
        self._direct = direct
        self._folder = folder
        self._file = folder / "report.html"
        self._file.write_bytes(random.Random(0).randbytes(FILE_BYTES))
        self._total = 0

    def undisturbed(self) -> int:
        """Bytes on the wire."""
        self._proxy.mend()
        self._deliver("undisturbed")
        self._total = self._proxy.carried
        return self._total

    def broken(self, number: int, noise: random.Random) -> Delivery:
        after = noise.randrange(1, self._total)
        self._proxy.cut_after(after)
        self._deliver(str(number))
        self._proxy.mend()
        return self._look(str(number), after)

    def _deliver(self, key: str) -> None:
        spec = MlflowSpec(tracking_uri=f"http://127.0.0.1:{self._proxy.port}", experiment="broken")
        run = TrackedRun("team", key, 1, f"{key}-1", {"training.learningRate": "3e-3"}, self._folder)
        worker = Worker(Mlflow(spec), run, Delivered(self._folder / f"{key}.json"))
        for step in range(1, STEPS + 1):
            worker.add(Point(step, {"train/loss": 1.0 / step}, step))
        worker.end(Ending([], FIGURES, {"verdict": "Passed"}, [self._file]))
        worker.join()

    def _look(self, key: str, after: int) -> Delivery:
        from mlflow.artifacts import download_artifacts
        from mlflow.tracking import MlflowClient

        client = MlflowClient(self._direct)
        experiment = client.get_experiment_by_name("broken")
        assert experiment is not None
        (run,) = client.search_runs([experiment.experiment_id], f"tags.`visionft.key` = '{key}-1'")
        history = [metric.step for metric in client.get_metric_history(run.info.run_id, "train/loss")]
        whole = False
        if self._file.name in {file.path for file in client.list_artifacts(run.info.run_id)}:
            copy = download_artifacts(
                run_id=run.info.run_id, artifact_path=self._file.name, tracking_uri=self._direct,
                dst_path=str(self._folder / key),
            )  # fmt: skip
            whole = Path(copy).read_bytes() == self._file.read_bytes()
        finished = run.info.status == "FINISHED" and run.data.metrics.get("tuned/cer") == FIGURES["tuned/cer"]
        steps = len(set(history))
        return Delivery(after, self._total, finished, steps, len(history) - steps, whole)
