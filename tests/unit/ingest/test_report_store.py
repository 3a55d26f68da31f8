"""The report store: old reports change nothing, later ones take nothing back, memory is bounded."""

import json
from datetime import UTC, datetime

import pytest
from visionft_api.metrics import METRICS
from visionft_api.report import Report, ReportEnvelope
from visionft_api.status import MAX_SUMMARY, MAX_WARNING
from visionft_operator.ingest.limits import BODY_BYTES
from visionft_operator.ingest.store import ReportStore

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ADAPTER = {"kind": "adapter", "uri": "pvc://out/run-1/adapter"}


def report(sequence: int = 1, stage: str = "train", progress=None, **fields) -> Report:
    body = {"sequence": sequence, "stage": stage, "sentAt": "2026-01-01T00:00:00Z", "progress": progress or {}}
    return Report.model_validate(body | fields)


def put(store: ReportStore, *reports: Report, run: int = 1, pod: str = "pod-a", uid: str = "uid") -> list[bool]:
    return [store.put(uid, run, one, pod, NOW) for one in reports]


def test_a_later_report_takes_nothing_back():
    store = ReportStore()
    put(
        store,
        report(1, "baseline", {"percent": 5}, evaluation={"baseline": {"cer": "0.71"}, "samples": 20}),
        report(2, "train", {"percent": 50, "loss": "0.4"}, resolved={"datasetDigest": "sha256:1"}),
        report(3, "export", {"percent": 90}, artifacts=[ADAPTER]),
        report(4, "report", {"percent": 95}, evaluation={"tuned": {"cer": "0.04"}}, resolved={"modelRevision": "abc"}),
    )
    latest = store.latest("uid", 1)
    assert (latest.stage, latest.progress.percent, latest.progress.loss) == ("report", 95, "0.4")
    assert latest.evaluation.to_json() == {"baseline": {"cer": "0.71"}, "tuned": {"cer": "0.04"}, "samples": 20}
    assert latest.resolved.to_json() == {"datasetDigest": "sha256:1", "modelRevision": "abc"}
    assert [artifact.uri for artifact in latest.artifacts] == [ADAPTER["uri"]]


def test_a_report_that_tells_less_of_what_was_measured_takes_no_metric_back():
    store = ReportStore()
    interval = {"low": "-0.7", "high": "-0.6"}
    judged = {"tuned": {"cer": "0.04", "wer": "0.1"}, "intervals": {"delta": {"cer": interval, "wer": interval}}}
    newer = {"tuned": {"cer": "0.05"}, "intervals": {"tuned": {"cer": interval}}, "conclusion": "Better"}
    put(store, report(1, evaluation=judged), report(2, evaluation=newer))
    assert store.latest("uid", 1).evaluation.to_json() == {
        "tuned": {"cer": "0.05", "wer": "0.1"},
        "intervals": {**judged["intervals"], **newer["intervals"]},
        "conclusion": "Better",
    }


def test_the_largest_report_of_the_trainer_is_taken():
    figures = dict.fromkeys(METRICS, "-0.1234")
    intervals = {name: {"low": "-0.1234", "high": "-0.1234"} for name in METRICS}
    warnings = [{"reason": "Forgetting", "message": "x" * MAX_WARNING}] * 16
    blind = {"shuffled": figures, "blank": figures}
    evaluation = {
        **dict.fromkeys(("baseline", "tuned", "delta"), figures),
        "intervals": dict.fromkeys(("baseline", "tuned", "delta"), intervals),
        "prompts": [{"name": "prompt 1", "metrics": figures}] * 9,
        "vision": {"baseline": blind, "tuned": blind, "reliance": {"baseline": figures, "tuned": figures}},
        "general": {"baseline": figures, "tuned": figures},
        "summary": "x" * MAX_SUMMARY,
        "warnings": warnings,
    }
    artifacts = [{"kind": "merged", "uri": "s3://" + "x" * 640, "digest": f"sha256:{'0' * 64}", "size": 2**40}] * 16
    largest = report(evaluation=evaluation, artifacts=artifacts, data={"warnings": warnings})
    assert len(json.dumps(ReportEnvelope(report=largest).to_json())) < 48 * 1024 < BODY_BYTES


def test_what_the_data_has_shown_stays_when_a_later_report_is_silent_about_it():
    store = ReportStore()
    data = {"train": {"rows": 90}, "warnings": [{"reason": "DarkImages", "message": "Half of them."}]}
    put(store, report(1, "preprocess", data=data), report(2, "load", estimate={"gpuMemory": "12Gi"}), report(3))
    latest = store.latest("uid", 1)
    assert latest.data.to_json() == data
    assert latest.estimate.to_json() == {"gpuMemory": "12Gi"}


@pytest.mark.parametrize("late", [1, 2, 3])
def test_a_doubled_or_late_report_changes_nothing(late):
    store = ReportStore()
    put(store, report(3, progress={"percent": 30}))
    before = store.latest("uid", 1)
    assert put(store, report(late, progress={"percent": 99})) == [False]
    assert store.latest("uid", 1) is before


def test_a_replaced_pod_begins_again_and_its_predecessor_is_not_heard_any_more():
    store = ReportStore()
    put(store, report(50, progress={"step": 80, "loss": "0.2"}, evaluation={"baseline": {"cer": "0.71"}}))
    assert put(store, report(1, "load", {"step": 60}), pod="pod-b") == [True]
    assert put(store, report(51, progress={"step": 81})) == [False]
    latest = store.latest("uid", 1)
    assert (latest.pod_uid, latest.progress.step, latest.progress.loss) == ("pod-b", 60, None)
    # Measured before it was replaced, in the same run: still true.
    assert latest.evaluation.baseline == {"cer": "0.71"}


def test_a_new_run_begins_with_nothing_and_the_old_one_is_not_heard_any_more():
    store = ReportStore()
    put(store, report(9, evaluation={"tuned": {"cer": "0.04"}}), run=1)
    assert put(store, report(1), run=2, pod="pod-b") == [True]
    assert store.latest("uid", 1) is None
    assert store.latest("uid", 2).evaluation is None
    assert put(store, report(10), run=1) == [False]


def test_a_deleted_resource_leaves_nothing():
    store = ReportStore()
    put(store, report())
    store.forget("uid")
    store.forget("uid")
    assert store.latest("uid", 1) is None
    assert len(store) == 0


def test_memory_is_bounded_by_forgetting_the_longest_silent():
    store = ReportStore(size=2)
    put(store, report(1), uid="a")
    put(store, report(1), uid="b")
    put(store, report(2), uid="a")
    put(store, report(1), uid="c")
    assert store.latest("b", 1) is None
    assert store.latest("a", 1) is not None


def test_many_replaced_pods_do_not_pile_up():
    store = ReportStore()
    for number in range(100):
        put(store, report(1), pod=f"pod-{number}")
    assert len(store.latest("uid", 1).former_pods) < 20
