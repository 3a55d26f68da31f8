"""MLflow: a run on a tracking server."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from visionft_api.spec import MlflowSpec

from visionft_trainer.tracking.tracker import Point, TrackedRun

T = TypeVar("T")
# What MLflow's REST API takes in one log-batch request.
MAX_METRICS = 1000
MAX_PARAMETERS = 100
MAX_VALUE = 6000  # characters of a parameter
KEY_TAG = "visionft.key"
# The client's own patience is minutes; ours is the worker's, which tries again later. Standard output is the result's.
MANNERS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


class Mlflow:
    """Credentials come from MLFLOW_TRACKING_USERNAME and _PASSWORD, or MLFLOW_TRACKING_TOKEN, in the environment."""

    name = "mlflow"

    def __init__(self, spec: MlflowSpec) -> None:
        self._spec = spec
        self._client: Any = None
        self._run_id: str | None = None

    def begin(self, run: TrackedRun) -> None:
        """Find the run that an earlier pod has opened, or open one."""
        for name, value in MANNERS.items():
            os.environ.setdefault(name, value)
        logging.getLogger("urllib3").setLevel(logging.ERROR)  # it tells of each try; the worker tells once
        from mlflow.tracking import MlflowClient

        self._client = MlflowClient(tracking_uri=self._spec.tracking_uri)
        experiment = self._experiment(self._spec.experiment or f"{run.namespace or 'default'}/{run.name}")
        found = self._client.search_runs([experiment], f"tags.`{KEY_TAG}` = '{run.key}'", max_results=1)
        if found:
            self._run_id = found[0].info.run_id
            self._client.update_run(self._run_id, status="RUNNING")
        else:
            tags = {KEY_TAG: run.key, "visionft.namespace": run.namespace, "visionft.name": run.name}
            created = self._client.create_run(experiment, run_name=run.title, tags=tags)
            self._run_id = created.info.run_id
        self._parameters(run.parameters)

    def write(self, points: Sequence[Point]) -> None:
        """Add metrics, as many a request as the server takes."""
        from mlflow.entities import Metric

        metrics = (
            Metric(name, value, point.milliseconds, point.step)
            for point in points
            for name, value in point.values.items()
        )
        for batch in _batches(metrics, MAX_METRICS):
            self._client.log_batch(self._run_id, metrics=batch)

    def conclude(self, figures: Mapping[str, float], tags: Mapping[str, str], files: Sequence[Path]) -> None:
        """Figures, facts as tags, files as artifacts."""
        from mlflow.entities import Metric, RunTag

        now = time.time_ns() // 1_000_000
        self._client.log_batch(
            self._run_id,
            metrics=[Metric(name, value, now, 0) for name, value in figures.items()],
            tags=[RunTag(f"visionft.{name}", text) for name, text in tags.items()],
        )
        for file in files:
            self._client.log_artifact(self._run_id, str(file))

    def close(self, *, finished: bool) -> None:
        """Say how it ended; a run that goes on later is opened again."""
        if self._run_id is not None:
            self._client.set_terminated(self._run_id, status="FINISHED" if finished else "FAILED")

    def _experiment(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        try:
            return str(self._client.create_experiment(name))
        except MlflowException:  # another run of ours was quicker
            found = self._client.get_experiment_by_name(name)
            if found is None:
                raise
            return str(found.experiment_id)

    def _parameters(self, parameters: Mapping[str, str]) -> None:
        from mlflow.entities import Param

        for batch in _batches((Param(k, v[:MAX_VALUE]) for k, v in parameters.items()), MAX_PARAMETERS):
            self._client.log_batch(self._run_id, params=batch)


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of at most `size` items; `itertools.batched` of Python 3.12."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
