"""Prometheus metrics: of the fleet, with labels of a known few values, and of each resource's run.

    metrics = Metrics(fleet)                                   # fleet: a FleetView, read at each scrape
    app.router.add_get("/metrics", metrics.handler)
    metrics.run_started(); metrics.run_finished("Failed", "OutOfMemory")
    with metrics.reconcile_seconds.time(): ...

What happens is counted here. What is (how many resources in which phase, how far a run has come) is not kept but read
from the `FleetView` at each scrape, so a deleted resource takes its series along and nothing is ever stale.

A run's series carry its number: a new run begins again at step 0, which in the same series would look like a fall.
There is one latest run a resource, so the label adds no series at any one time. What was measured stays when the run
is over, until the next one begins. A measured value is never a label.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.aiohttp import make_aiohttp_handler
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from visionft_api.metrics import METRICS
from visionft_api.quantities import parse_size
from visionft_api.status import Evaluation, Phase, Progress

RECONCILE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds. A reconcile without a write takes under a millisecond, one with API calls some ten of them."""

REVIEW_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds, up to the report server's limit for a TokenReview."""

MAX_LABEL_VALUES = 64
"""Most values of a reason label. Reasons are constants of the API and far fewer; this holds if one is not."""

OTHER = "Other"
"""Stands for every reason beyond MAX_LABEL_VALUES."""

NO_REASON = "None"
"""Stands for an empty reason: an empty label value is no label to Prometheus."""


@dataclass(frozen=True)
class LatestRun:
    """The latest run of a resource. `live`: it has not ended."""

    namespace: str
    name: str
    run: int
    live: bool = True
    progress: Progress | None = None
    evaluation: Evaluation | None = None


class FleetView(Protocol):
    """What the operator sees now. All methods answer from memory."""

    def phases(self) -> Mapping[str, int]:
        """Return how many resources are in each phase that any is in."""

    def runs(self) -> Iterable[LatestRun]:
        """Return the latest run of each resource that has had one."""

    def watch_staleness(self) -> Mapping[str, float]:
        """Return for each watched kind the seconds since its watch was last known to be up to date."""


PHASES = tuple(phase.value for phase in Phase)
"""Every phase gets a sample, 0 included, so that an alert on one works before the first resource is in it."""


class Metrics:
    """All metrics of one operator, in a registry of their own."""

    def __init__(self, fleet: FleetView) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self.reconcile_seconds = Histogram(
            "visionft_reconcile_seconds",
            "Time to reconcile one resource, API calls included.",
            buckets=RECONCILE_BUCKETS,
            registry=self.registry,
        )
        self.tokenreview_seconds = Histogram(
            "visionft_tokenreview_seconds",
            "Time the API server took to review a report's token.",
            buckets=REVIEW_BUCKETS,
            registry=self.registry,
        )
        self._runs_started = Counter("visionft_runs_started", "Runs whose Job was created.", registry=self.registry)
        self._runs_finished = Counter(
            "visionft_runs_finished",
            "Runs that ended, by outcome and the reason of the Succeeded condition.",
            ("outcome", "reason"),
            registry=self.registry,
        )
        self._reconcile_errors = Counter(
            "visionft_reconcile_errors", "Reconciles that failed and are retried.", ("reason",), registry=self.registry
        )
        self._reports = Counter(
            "visionft_reports", "Requests to the report server, by HTTP status.", ("code",), registry=self.registry
        )
        self._seen: dict[str, set[str]] = {"finished": set(), "error": set()}
        self.registry.register(_FleetCollector(fleet))
        self.registry.register(_RunCollector(fleet))
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.handler = make_aiohttp_handler(self.registry)
        """An aiohttp handler for GET /metrics: Prometheus' text form, or OpenMetrics where the client asks for it."""

    def run_started(self) -> None:
        """Count a run whose Job was created."""
        self._runs_started.inc()

    def run_finished(self, outcome: str, reason: str) -> None:
        """Count a run that ended. `outcome` is Succeeded or Failed, `reason` that of the Succeeded condition."""
        self._runs_finished.labels(outcome, self._bounded("finished", reason)).inc()

    def reconcile_failed(self, reason: str) -> None:
        """Count a failed reconcile. `reason` is a word of a fixed set: the API's reason, or an exception's class."""
        self._reconcile_errors.labels(self._bounded("error", reason)).inc()

    def report_answered(self, code: int) -> None:
        """Count an answer of the report server. Fits `ingest.server.build_app`'s `on_response`."""
        self._reports.labels(str(code)).inc()

    def review_took(self, seconds: float) -> None:
        """Record a TokenReview. Fits `ingest.token_review.TokenReviewAuthenticator`'s `on_review`."""
        self.tokenreview_seconds.observe(seconds)

    def _bounded(self, kind: str, reason: str) -> str:
        seen = self._seen[kind]
        reason = reason or NO_REASON
        if reason not in seen and len(seen) >= MAX_LABEL_VALUES:
            return OTHER
        seen.add(reason)
        return reason


class _FleetCollector(Collector):
    def __init__(self, fleet: FleetView) -> None:
        self._fleet = fleet

    def collect(self) -> Iterator[Metric]:
        resources = GaugeMetricFamily("visionft_resources", "VisionFineTunes in each phase.", labels=("phase",))
        for phase, count in {**dict.fromkeys(PHASES, 0), **self._fleet.phases()}.items():
            resources.add_metric((phase,), count)
        yield resources
        staleness = GaugeMetricFamily(
            "visionft_watch_staleness_seconds",
            "Time since the watch of a kind was last known to be up to date.",
            labels=("kind",),
        )
        for kind, seconds in self._fleet.watch_staleness().items():
            staleness.add_metric((kind,), seconds)
        yield staleness


RUN_LABELS = ("namespace", "name", "run")


class _RunCollector(Collector):
    """Gauges of the latest runs. A value that has not been reported, or is no finite number, has no sample."""

    def __init__(self, fleet: FleetView) -> None:
        self._fleet = fleet

    def collect(self) -> Iterator[Metric]:
        runs = list(self._fleet.runs())
        for name, (told, read) in RUN_GAUGES.items():
            gauge = GaugeMetricFamily(name, told, labels=RUN_LABELS)
            for run in runs:
                value = _number(read(run.progress)) if run.live and run.progress else None
                if value is not None:
                    gauge.add_metric((run.namespace, run.name, str(run.run)), value)
            yield gauge
        yield _measured(runs)


def _measured(runs: Iterable[LatestRun]) -> Metric:
    """Of the metrics that the API knows, so that no image of anybody's makes up label values."""
    gauge = GaugeMetricFamily(
        "visionft_run_metric",
        "Metric on the validation set in the latest run, of the base model (baseline) and of the tuned one.",
        labels=(*RUN_LABELS, "metric", "stage"),
    )
    for run in runs:
        if run.evaluation is None:
            continue
        for stage, values in (("baseline", run.evaluation.baseline), ("tuned", run.evaluation.tuned)):
            for metric in METRICS:
                value = _number((values or {}).get(metric))
                if value is not None:
                    gauge.add_metric((run.namespace, run.name, str(run.run), metric, stage), value)
    return gauge


def _number(value: str | int | float | None) -> float | None:
    """Return a reported value as a number, None when there is none: status decimals are strings."""
    try:
        number = math.nan if value is None else float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _ratio(progress: Progress) -> float | None:
    return None if progress.percent is None else progress.percent / 100


def _memory(progress: Progress) -> float | None:
    return None if progress.gpu_memory is None else parse_size(progress.gpu_memory)


RUN_GAUGES: dict[str, tuple[str, Callable[[Progress], str | int | float | None]]] = {
    "visionft_run_progress_ratio": ("How much of the run is done, 0 to 1.", _ratio),
    "visionft_run_step": ("Optimizer steps done.", lambda progress: progress.step),
    "visionft_run_loss": ("Training loss last reported.", lambda progress: progress.loss),
    "visionft_run_learning_rate": ("Learning rate last reported.", lambda progress: progress.learning_rate),
    "visionft_run_samples_per_second": ("Training speed last reported.", lambda progress: progress.samples_per_second),
    "visionft_run_eta_seconds": ("Time left as the trainer estimates it.", lambda progress: progress.eta_seconds),
    "visionft_run_gpu_memory_bytes": ("Most accelerator memory in use, as last reported.", _memory),
}
"""Each gauge of a live run: its help text and how it is read from the progress."""
