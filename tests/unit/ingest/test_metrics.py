"""What Prometheus scrapes: valid text, state read at the scrape, bounded labels, nothing left of what was deleted."""

import math

import aiohttp
import pytest
from aiohttp import web
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from visionft_api.status import Evaluation, Progress
from visionft_operator.metrics import LatestRun, Metrics

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


class Fleet:
    """Plays the operator's caches."""

    def __init__(self) -> None:
        self.phase_counts = {"Running": 2, "Failed": 1}
        self.known = [
            LatestRun(
                "team-a",
                "ocr",
                2,
                True,
                Progress(
                    percent=42,
                    step=21,
                    loss="0.4312",
                    learning_rate="2e-4",
                    samples_per_second="3.5",
                    eta_seconds=90,
                    gpu_memory="1.5Gi",
                ),
                Evaluation(baseline={"cer": "0.71"}, tuned={"cer": "0.04", "myOwnMetric17": "1"}),
            ),
            LatestRun("team-a", "fresh", 1),
            LatestRun("team-a", "done", 4, False, Progress(percent=100), Evaluation(tuned={"anls": "0.9"})),
        ]

    def phases(self):
        return self.phase_counts

    def runs(self):
        return self.known

    def watch_staleness(self):
        return {"pods": 1.5, "jobs": 0.0}


async def scrape(metrics: Metrics, accept: str = OPENMETRICS) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Scrape as Prometheus does and parse the answer; samples by name and sorted labels."""
    app = web.Application()
    app.router.add_get("/metrics", metrics.handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}/metrics", headers={"Accept": accept}) as response,
        ):
            assert response.status == 200
            text = await response.text()
            assert response.headers["Content-Type"].startswith(accept.split(";")[0])
    finally:
        await runner.cleanup()
    samples: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in (parse_openmetrics if accept == OPENMETRICS else parse_text)(text):
        for sample in family.samples:
            samples.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return samples


def of_run(name="ocr", run="2", **more):
    return tuple(sorted({"namespace": "team-a", "name": name, "run": run, **more}.items()))


@pytest.mark.parametrize("accept", [OPENMETRICS, "text/plain"])
async def test_a_live_runs_gauges(accept):
    samples = await scrape(Metrics(Fleet()), accept)
    values = {name: samples[f"visionft_run_{name}"][of_run()] for name in ("progress_ratio", "step", "loss")}
    assert values == {"progress_ratio": 0.42, "step": 21, "loss": 0.4312}
    assert samples["visionft_run_learning_rate"][of_run()] == 2e-4
    assert samples["visionft_run_samples_per_second"][of_run()] == 3.5
    assert samples["visionft_run_eta_seconds"][of_run()] == 90
    assert samples["visionft_run_gpu_memory_bytes"][of_run()] == 1.5 * 2**30


async def test_what_was_measured_stays_when_the_run_is_over_and_names_known_metrics_only():
    samples = await scrape(Metrics(Fleet()))
    assert samples["visionft_run_metric"] == {
        of_run(metric="cer", stage="baseline"): 0.71,
        of_run(metric="cer", stage="tuned"): 0.04,
        of_run("done", "4", metric="anls", stage="tuned"): 0.9,
    }
    assert of_run("done", "4") not in samples["visionft_run_progress_ratio"]


async def test_what_was_not_reported_has_no_sample():
    samples = await scrape(Metrics(Fleet()))
    assert of_run("fresh", "1") not in samples["visionft_run_loss"]
    assert not any(math.isnan(value) for name in samples for value in samples[name].values())


async def test_a_resource_that_was_deleted_takes_its_series_along():
    fleet = Fleet()
    metrics = Metrics(fleet)
    await scrape(metrics)
    fleet.known = []
    samples = await scrape(metrics)
    assert [name for name in samples if name.startswith("visionft_run_")] == []


async def test_every_phase_has_a_sample_also_without_a_resource_in_it():
    samples = await scrape(Metrics(Fleet()))
    phases = {dict(labels)["phase"]: value for labels, value in samples["visionft_resources"].items()}
    assert phases == {
        "Pending": 0,
        "Queued": 0,
        "Running": 2,
        "Suspended": 0,
        "Succeeded": 0,
        "Failed": 1,
        "Refused": 0,
    }


async def test_what_happens_is_counted():
    metrics = Metrics(Fleet())
    metrics.run_started()
    metrics.run_finished("Failed", "OutOfMemory")
    metrics.run_finished("Succeeded", "GatesPassed")
    metrics.run_finished("Succeeded", "GatesPassed")
    metrics.reconcile_failed("Conflict")
    metrics.report_answered(200)
    metrics.report_answered(403)
    metrics.review_took(0.004)
    with metrics.reconcile_seconds.time():
        pass
    samples = await scrape(metrics)
    assert samples["visionft_runs_started_total"][()] == 1
    assert samples["visionft_runs_finished_total"] == {
        (("outcome", "Failed"), ("reason", "OutOfMemory")): 1,
        (("outcome", "Succeeded"), ("reason", "GatesPassed")): 2,
    }
    assert samples["visionft_reconcile_errors_total"] == {(("reason", "Conflict"),): 1}
    assert samples["visionft_reports_total"] == {(("code", "200"),): 1, (("code", "403"),): 1}
    assert samples["visionft_tokenreview_seconds_count"][()] == 1
    assert samples["visionft_reconcile_seconds_count"][()] == 1
    assert samples["visionft_watch_staleness_seconds"] == {(("kind", "jobs"),): 0.0, (("kind", "pods"),): 1.5}


async def test_a_reason_built_from_data_cannot_grow_the_series_without_end():
    metrics = Metrics(Fleet())
    for number in range(1000):
        metrics.reconcile_failed(f"object {number} is gone")
    samples = await scrape(metrics)
    errors = samples["visionft_reconcile_errors_total"]
    assert len(errors) <= 65
    assert errors[("reason", "Other"),] == 1000 - 64


async def test_two_operators_in_one_process_do_not_share_a_registry():
    first, second = Metrics(Fleet()), Metrics(Fleet())
    first.run_started()
    assert (await scrape(second))["visionft_runs_started_total"][()] == 0
