"""Reports reach the operator when they can, and never stand in the way when they cannot."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.report_server import serve
from visionft_api.report import ReportEnvelope
from visionft_api.status import Artifact, Evaluation, Resolved, Stage
from visionft_trainer.reporting import reporter
from visionft_trainer.reporting.progress import Snapshot
from visionft_trainer.reporting.report import compose_report
from visionft_trainer.reporting.reporter import HttpsSender, Reporter

TRAINING = Snapshot(stage=Stage.TRAIN, step=40, total_steps=600, done=40, total=600, epoch=0.5, loss=0.43121)


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("INTERVAL", 0.05), ("SILENCE", 60.0), ("FIRST_BACKOFF", 0.1), ("LONGEST_BACKOFF", 0.2)):
        monkeypatch.setattr(reporter, f"{name}_SECONDS", value)


def eventually(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def test_report_is_in_the_wire_form() -> None:
    snapshot = replace(
        TRAINING,
        learning_rate=2e-5,
        eta_seconds=12,
        samples_per_second=31.25,
        gpu_memory=3 * 2**30,
        evaluation=Evaluation(baseline={"cer": "0.7100"}, samples=8),
        artifacts=(Artifact(kind="adapter", uri="pvc://a/b"),),
        resolved=Resolved(spec_hash="ab"),
    )
    body = compose_report(snapshot, 7)
    report = ReportEnvelope.model_validate(body).report
    assert (report.sequence, report.stage) == (7, Stage.TRAIN)
    assert report.progress.to_json() == {
        "percent": 15,
        "stage": "train",
        "step": 40,
        "totalSteps": 600,
        "epoch": "0.50",
        "etaSeconds": 12,
        "loss": "0.4312",
        "learningRate": "0.000020",
        "samplesPerSecond": "31.25",
        "gpuMemory": "3Gi",
        "lastUpdated": body["report"]["sentAt"],
    }
    assert report.evaluation == snapshot.evaluation
    assert report.artifacts == list(snapshot.artifacts)


@pytest.mark.parametrize(("rate", "text"), [(3.2e-7, "3.200000e-07"), (1e-12, "1.000000e-12"), (0.0, "0.000000")])
def test_tail_of_a_falling_learning_rate_keeps_its_digits(rate: float, text: str) -> None:
    body = compose_report(replace(TRAINING, learning_rate=rate), 1)
    assert ReportEnvelope.model_validate(body).report.progress.to_json()["learningRate"] == text


def test_sends_over_tls_with_the_token_of_the_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    token = tmp_path / "token"
    with serve(tmp_path / "tls") as server:
        sender = HttpsSender(server.url, token, tmp_path / "tls" / "ca.crt")
        for value in ("first", "second"):
            token.write_text(f"{value}\n")
            sender({"report": {"stage": "load"}})
        assert [headers["Authorization"] for headers, _ in server.requests] == ["Bearer first", "Bearer second"]
        assert server.requests[0][0]["Content-Type"] == "application/json"


def test_untrusted_server_is_not_told_the_token(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret")
    with serve(tmp_path / "tls") as server, pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        HttpsSender(server.url, token, None)({"report": {}})
    assert server.requests == []


def test_refusal_says_why(tmp_path: Path) -> None:
    with serve() as server:
        server.status = 403
        with pytest.raises(Exception, match="403: go away"):
            HttpsSender(server.url, None, None)({"report": {}})


def test_every_stage_is_told_and_steps_are_thinned() -> None:
    sent: list[Snapshot] = []
    seen = Reporter(sent.append, lambda snapshot, _: snapshot)  # type: ignore[arg-type, return-value]
    for stage in (Stage.INGEST, Stage.LOAD, Stage.TRAIN):
        seen.show(Snapshot(stage=stage))
        assert eventually(lambda stage=stage: any(snapshot.stage == stage for snapshot in sent))
    for step in range(1000):
        seen.show(Snapshot(stage=Stage.TRAIN, step=step))
    seen.close()
    assert sent[-1].step == 999
    assert len(sent) < 100


def test_failures_are_retried_and_nobody_waits(caplog: pytest.LogCaptureFixture) -> None:
    failing = True
    attempts: list[int] = []

    def send(body: dict[str, object]) -> None:
        attempts.append(1)
        if failing:
            raise ConnectionRefusedError("nobody there")

    lost = Reporter(send, compose_report)
    begin = time.monotonic()
    lost.show(TRAINING)
    assert time.monotonic() - begin < 1
    assert eventually(lambda: len(attempts) >= 3)
    failing = False
    before = len(attempts)
    assert eventually(lambda: len(attempts) > before)
    lost.close()
    assert "nobody there" in caplog.text


def test_silent_server_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporter, "LAST_WORD_SECONDS", 0.1)
    hold = threading.Event()
    stuck = Reporter(lambda body: hold.wait(30) and None, compose_report)
    stuck.show(TRAINING)
    begin = time.monotonic()
    stuck.close()
    assert time.monotonic() - begin < 10
    hold.set()


def test_last_state_is_sent_at_the_end(tmp_path: Path) -> None:
    with serve() as server:
        last = Reporter(HttpsSender(server.url, None, None), compose_report)
        last.show(TRAINING)
        last.show(replace(TRAINING, stage=Stage.REPORT, finished=True))
        last.close()
        assert server.requests[-1][1]["report"]["progress"]["percent"] == 100
        sequences = [body["report"]["sequence"] for _, body in server.requests]
        assert sequences == sorted(set(sequences))


def test_notes_travel_with_reports_newest_last() -> None:
    body = compose_report(replace(TRAINING, notes=tuple(f"Note {number}." for number in range(20))), 1)
    notes = body["report"]["notes"]
    assert (len(notes), notes[-1]) == (16, "Note 19.")
    assert "notes" not in compose_report(TRAINING, 2)["report"]
