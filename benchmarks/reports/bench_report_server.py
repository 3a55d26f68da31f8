"""How many reports a second the report server takes on one core, and how long each waits for its answer.

    python benchmarks/reports/bench_report_server.py --out benchmarks/reports/results/NAME.json

The server is the real one in a process of its own: TLS, token cache, rights, JSON, models, store. Only the API server
is played: a TokenReview takes REVIEW_SECONDS and says yes. The clients are as many trainers as asked for, each with its
own resource, token and connection, in this process; each sends its next report when the last was answered, over the
same connection or, as Kubeflow's callback does, over a new one each time.
The rate limit per resource is lifted, because it would otherwise be what is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import multiprocessing
import os
import platform
import resource
import ssl
import statistics
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import aiohttp
from visionft_operator.ingest.limits import Limits
from visionft_operator.ingest.ports import CurrentRun, Identity
from visionft_operator.ingest.serve import serve
from visionft_operator.ingest.server import build_app
from visionft_operator.ingest.store import ReportStore
from visionft_operator.ingest.token_cache import CachedAuthenticator
from visionft_operator.tls import ServingCertificate

REVIEW_SECONDS = 0.005
NAMESPACE = "bench"


class PlayedCluster:
    """Every token `token-N` is the pod of resource `tune-N`, at run 1. Certificates are kept nowhere."""

    async def authenticate(self, token: str) -> Identity:
        """Say yes after as long as an API server takes."""
        await asyncio.sleep(REVIEW_SECONDS)
        number = token.removeprefix("token-")
        return Identity(f"system:serviceaccount:{NAMESPACE}:default", NAMESPACE, f"pod-{number}", f"uid-{number}")

    def current_run(self, namespace: str, name: str) -> CurrentRun | None:
        """Return run 1 of any resource."""
        number = name.removeprefix("tune-")
        return CurrentRun(f"resource-{number}", 1, f"job-{number}")

    def pod_job_uid(self, namespace: str, pod_name: str, pod_uid: str) -> str | None:
        """Return the Job of the pod's number."""
        return f"job-{pod_name.removeprefix('pod-')}"

    async def load(self) -> dict[str, bytes] | None:
        """Return no stored certificate."""
        return None

    async def save(self, data: Any) -> None:
        """Keep nothing."""


def run_server(pipe: Connection) -> None:
    """Serve until the other end says stop; send the port and CA first, and what it cost last."""

    def now() -> datetime:
        return datetime.now(UTC)

    async def run() -> None:
        cluster, store, woken = PlayedCluster(), ReportStore(), [0]
        limits = replace(Limits(), reports_per_second=1e9, report_burst=10**9, concurrent_requests=10_000)
        certificate = ServingCertificate(cluster, "https://localhost:0")
        await certificate.refresh()

        def wake(key: object) -> None:
            woken[0] += 1

        app = build_app(CachedAuthenticator(cluster, now), cluster, store, limits, wake, now)
        running = await serve(app, certificate.ssl_context, "127.0.0.1", 0, limits)
        idle = resource.getrusage(resource.RUSAGE_SELF)
        pipe.send((running.port, certificate.ca_pem))
        await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
        used = resource.getrusage(resource.RUSAGE_SELF)
        pipe.send(
            {
                "server_cpu_seconds": round(used.ru_utime + used.ru_stime - idle.ru_utime - idle.ru_stime, 3),
                "server_max_rss_mib": round(used.ru_maxrss / 1024, 1),
                "server_rss_growth_mib": round((used.ru_maxrss - idle.ru_maxrss) / 1024, 1),
                "reports_stored": woken[0],
                "resources_held": len(store),
            }
        )
        await running.close()

    asyncio.run(run())


def body(sequence: int) -> bytes:
    """A report in the middle of a training, as large as a real one."""
    progress = {
        "percent": min(99, sequence),
        "stage": "train",
        "step": sequence,
        "totalSteps": 1000,
        "epoch": "0.4500",
        "etaSeconds": 795,
        "loss": "0.4312",
        "learningRate": "1.8e-4",
        "samplesPerSecond": "3.5",
        "gpuMemory": "14.2Gi",
    }
    evaluation = {"baseline": {"cer": "0.7100", "wer": "0.9000"}, "samples": 200}
    resolved = {"modelRevision": "f" * 40, "datasetDigest": f"sha256:{'a' * 64}", "specHash": "b" * 16}
    report = {"sequence": sequence, "stage": "train", "sentAt": "2026-01-01T00:00:00Z", "progress": progress}
    return json.dumps({"report": report | {"evaluation": evaluation, "resolved": resolved}}).encode()


async def trainer(session: aiohttp.ClientSession, number: int, reports: int, took: list[float]) -> None:
    """Send `reports` reports, one after the other."""
    path = f"/apis/visionft.dev/v1alpha1/namespaces/{NAMESPACE}/visionfinetunes/tune-{number}/runs/1/report"
    headers = {"Authorization": f"Bearer token-{number}", "Content-Type": "application/json"}
    for sequence in range(reports):
        begin = time.perf_counter()
        async with session.post(path, data=body(sequence), headers=headers) as response:
            answer = await response.read()
            if response.status != 200:
                sys.exit(f"report refused: {response.status} {answer.decode()}")
        took.append(time.perf_counter() - begin)


async def load(port: int, ca_pem: str, trainers: int, requests: int, *, fresh: bool) -> dict[str, Any]:
    """Let all trainers send at once; return what was measured."""
    context = ssl.create_default_context(cadata=ca_pem)
    connector = aiohttp.TCPConnector(limit=trainers, ssl=context, force_close=fresh)
    took: list[float] = []
    async with aiohttp.ClientSession(f"https://localhost:{port}", connector=connector) as session:
        begin = time.perf_counter()
        each = requests // trainers
        await asyncio.gather(*(trainer(session, number, each, took) for number in range(trainers)))
        seconds = time.perf_counter() - begin
    cuts = statistics.quantiles(took, n=100)
    return {
        "requests": len(took),
        "trainers": trainers,
        "connection": "new for each report" if fresh else "kept",
        "seconds": round(seconds, 3),
        "reports_per_second": round(len(took) / seconds, 1),
        "latency_ms": {
            "p50": round(cuts[49] * 1000, 2),
            "p95": round(cuts[94] * 1000, 2),
            "p99": round(cuts[98] * 1000, 2),
            "max": round(max(took) * 1000, 2),
        },
    }


def main() -> None:
    """Measure and write one JSON file."""
    parser = argparse.ArgumentParser(description="Load the report server on the loopback interface.")
    parser.add_argument("--requests", type=int, default=5000, help="reports in all (default 5000)")
    parser.add_argument(
        "--trainers", type=int, nargs="+", default=[1, 16, 100], help="trainers that send at the same time"
    )
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    arguments = parser.parse_args()
    load_before = os.getloadavg()[0]
    results = []
    for trainers, fresh in itertools.product(arguments.trainers, (False, True)):
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(target=run_server, args=(theirs,), daemon=True)
        process.start()
        port, ca_pem = ours.recv()
        measured = asyncio.run(load(port, ca_pem, trainers, arguments.requests, fresh=fresh))
        ours.send("stop")
        cost = ours.recv()
        cpu_ms = round(cost["server_cpu_seconds"] / measured["requests"] * 1000, 3)
        results.append(measured | cost | {"server_cpu_ms_per_report": cpu_ms})
        process.join()
    document = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cpus": os.cpu_count(), "load_before": round(load_before, 2), "architecture": platform.machine()},
        "versions": {
            "python": platform.python_version(),
            "aiohttp": version("aiohttp"),
            "openssl": ssl.OPENSSL_VERSION,
        },
        "body_bytes": len(body(500)),
        "results": results,
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(document, indent=2) + "\n")
    json.dump(document, sys.stdout, indent=2)


if __name__ == "__main__":
    main()
