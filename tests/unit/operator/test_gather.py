"""From API objects to what a decision sees, and to what the metrics and the report server see."""

from __future__ import annotations

from typing import Any

import pytest
from support.observed import ENVIRONMENT, NOW, SPEC
from visionft_operator.cache import Cache
from visionft_operator.directory import CacheDirectory
from visionft_operator.fleet import CacheFleet
from visionft_operator.freshness import Freshness
from visionft_operator.gather import SpecReader, ask, observe, read_status
from visionft_operator.ingest.ports import CurrentRun, ResourceKey
from visionft_operator.ingest.store import ReportStore
from visionft_operator.kube import CLAIMS, EVENTS, JOBS, PODS, VISION_FINE_TUNES, Kind, Listing
from visionft_operator.reconcile.observed import Observed

KEY = ResourceKey("team", "digits")
RUNNING = {
    "run": 1,
    "phase": "Running",
    "conditions": [
        {
            "type": "Succeeded",
            "status": "Unknown",
            "reason": "InProgress",
            "message": "",
            "lastTransitionTime": "2026-03-01T11:00:00Z",
        }
    ],
    "progress": {"percent": 12},
}


def metadata(name: str, uid: str, owner: str = "", **more: Any) -> dict[str, Any]:
    """Metadata of an object of run 1, owned by `owner`."""
    found = {
        "namespace": "team",
        "name": name,
        "uid": uid,
        "resourceVersion": "5",
        "generation": 1,
        "creationTimestamp": "2026-03-01T11:00:00Z",
        **more,
    }
    if owner:
        found["labels"] = {"visionft.dev/name": "digits", "visionft.dev/run": "1"}
        found["ownerReferences"] = [{"uid": owner, "controller": True, "kind": "Job" if "job" in owner else "X"}]
    return found


def resource(status: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": "visionft.dev/v1alpha1",
        "kind": "VisionFineTune",
        "metadata": metadata("digits", "vft-1", **more),
        "spec": SPEC,
        "status": status or {},
    }


def job(uid: str = "job-1", owner: str = "vft-1") -> dict[str, Any]:
    return {"metadata": metadata("digits-run-1", uid, owner), "spec": {}, "status": {}}


def check_job() -> dict[str, Any]:
    body = metadata("digits-check-1", "job-0", "vft-1")
    return {
        "metadata": {**body, "labels": {**body["labels"], "visionft.dev/part": "check"}},
        "spec": {},
        "status": {},
    }


def pod(**status: Any) -> dict[str, Any]:
    return {"metadata": metadata("digits-run-1-abc", "pod-1", "job-1"), "spec": {"nodeName": "n"}, "status": status}


@pytest.fixture
def cache() -> Cache:
    return Cache([VISION_FINE_TUNES, JOBS, PODS])


def look(cache: Cache) -> Observed:
    """What is observed of the resource."""
    found = observe(cache, ReportStore(), SpecReader(), KEY, ENVIRONMENT, NOW)
    assert found is not None
    return found


def test_what_belongs_together_is_found_together(cache: Cache) -> None:
    cache[VISION_FINE_TUNES].put(resource())
    cache[JOBS].put(job())
    ended = {"exitCode": 11, "reason": "Error", "message": "row 17", "finishedAt": "2026-03-01T11:59:00Z"}
    cache[PODS].put(pod(phase="Failed", containerStatuses=[{"name": "trainer", "state": {"terminated": ended}}]))
    found = look(cache)
    assert [view.run for view in found.jobs] == [1]
    (view,) = found.pods
    assert (view.job_uid, view.phase, view.node) == ("job-1", "Failed", "n")
    assert view.terminated is not None
    assert (view.terminated.exit_code, view.terminated.message) == (11, "row 17")


def test_the_job_of_a_check_is_told_from_that_of_its_run(cache: Cache) -> None:
    cache[VISION_FINE_TUNES].put(resource())
    cache[JOBS].put(check_job())
    cache[JOBS].put(job())
    assert {view.name: (view.run, view.check) for view in look(cache).jobs} == {
        "digits-check-1": (1, True),
        "digits-run-1": (1, False),
    }


def test_the_job_of_a_deleted_namesake_is_not_ours(cache: Cache) -> None:
    cache[VISION_FINE_TUNES].put(resource())
    cache[JOBS].put(job(owner="vft-of-yesterday"))
    assert look(cache).jobs == ()


def test_a_resource_that_is_not_there_is_nothing(cache: Cache) -> None:
    assert observe(cache, ReportStore(), SpecReader(), KEY, ENVIRONMENT, NOW) is None


def test_a_spec_that_cannot_be_read_comes_with_every_problem(cache: Cache) -> None:
    broken = resource()
    broken["spec"] = {**SPEC, "adapter": {"rank": 0}, "unheard": 1}
    cache[VISION_FINE_TUNES].put(broken)
    found = look(cache)
    assert found.resource is None
    assert any("spec.adapter.rank" in problem for problem in found.problems)
    assert any("unheard" in problem for problem in found.problems)


def test_a_spec_is_read_again_when_its_generation_moves() -> None:
    specs = SpecReader()
    first, _ = specs.read(resource())
    again, _ = specs.read(resource(status={"run": 1}))
    changed, _ = specs.read(resource(generation=2))
    assert first is again
    assert changed is not first


def test_a_status_of_a_newer_version_is_read_as_far_as_that_is_safe() -> None:
    newer = {**RUNNING, "progress": {"stage": "dream"}, "unheard": 1}
    status = read_status(resource(newer))
    assert (status.run, status.progress) == (1, None)
    with pytest.raises(ValueError, match="conditions"):
        read_status(resource({**RUNNING, "conditions": [{"type": "Succeeded", "status": "Maybe"}]}))


class FakeKube:
    """Answers from dictionaries and notes what was asked."""

    def __init__(self, claims: set[str], events: dict[str, list[dict[str, Any]]]) -> None:
        self.claims, self.events, self.asked = claims, events, []  # type: ignore[var-annotated]

    async def get(self, kind: Kind, namespace: str, name: str) -> dict[str, Any] | None:
        assert kind is CLAIMS
        return {} if name in self.claims else None

    async def list(self, kind: Kind, namespace: str, **query: str) -> Listing:
        assert kind is EVENTS
        uid = query["fieldSelector"].split("involvedObject.uid=")[1].split(",")[0]
        self.asked.append(uid)
        return Listing(tuple(self.events.get(uid, [])), 1)


async def test_missing_claims_and_warnings_are_asked_for(cache: Cache) -> None:
    cache[VISION_FINE_TUNES].put(resource())
    cache[JOBS].put(job())
    event = {
        "metadata": {},
        "involvedObject": {"uid": "job-1"},
        "reason": "FailedCreate",
        "message": "exceeded quota",
        "lastTimestamp": "2026-03-01T11:59:00Z",
    }
    kube = FakeKube({"data", "out"}, {"job-1": [event]})
    found = await ask(kube, look(cache))  # type: ignore[arg-type]
    assert found.missing_claims == ("models",)
    assert [warned.message for warned in found.warnings or ()] == ["exceeded quota"]


async def test_a_pod_that_waits_for_the_scheduler_costs_no_question(cache: Cache) -> None:
    cache[VISION_FINE_TUNES].put(resource())
    cache[JOBS].put(job())
    waiting = pod(phase="Pending")
    waiting["spec"] = {}
    cache[PODS].put(waiting)
    kube = FakeKube({"data", "out", "models"}, {})
    await ask(kube, look(cache))  # type: ignore[arg-type]
    assert kube.asked == []
    cache[PODS].put({**pod(phase="Pending"), "metadata": {**pod()["metadata"], "resourceVersion": "6"}})
    await ask(kube, look(cache))  # type: ignore[arg-type]
    assert kube.asked == ["pod-1"]


def test_the_report_server_learns_who_may_report(cache: Cache) -> None:
    directory = CacheDirectory(cache)
    assert directory.current_run("team", "digits") is None
    cache[VISION_FINE_TUNES].put(resource())
    assert directory.current_run("team", "digits") is None
    cache[VISION_FINE_TUNES].put(
        {**resource(RUNNING), "metadata": {**metadata("digits", "vft-1", resourceVersion="6")}}
    )
    assert directory.current_run("team", "digits") == CurrentRun("vft-1", 1, None)
    cache[JOBS].put(check_job())
    assert directory.current_run("team", "digits") == CurrentRun("vft-1", 1, "job-0"), "a check reports for its run"
    cache[JOBS].put(job())
    assert directory.current_run("team", "digits") == CurrentRun("vft-1", 1, "job-1")
    cache[PODS].put(pod())
    assert directory.pod_job_uid("team", "digits-run-1-abc", "pod-1") == "job-1"
    assert directory.pod_job_uid("team", "digits-run-1-abc", "another") is None
    assert directory.pod_job_uid("other", "digits-run-1-abc", "pod-1") is None


def test_the_metrics_see_phases_and_the_latest_runs(cache: Cache) -> None:
    fleet = CacheFleet(cache, ReportStore(), Freshness([VISION_FINE_TUNES]))
    assert dict(fleet.phases()) == {}
    cache[VISION_FINE_TUNES].put(resource(RUNNING))
    assert dict(fleet.phases()) == {"Running": 1}
    (live,) = fleet.runs()
    assert (live.namespace, live.name, live.run, live.live) == ("team", "digits", 1, True)
    assert live.progress is not None
    assert live.progress.percent == 12
    assert set(fleet.watch_staleness()) == {"visionfinetunes"}
