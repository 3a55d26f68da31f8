"""Gather, decide, act, against an API server made of dictionaries: order, refusals, staleness."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import generate_latest
from support.observed import ENVIRONMENT, NOW, SPEC
from visionft_operator.cache import Cache
from visionft_operator.controller import Controller
from visionft_operator.fleet import CacheFleet
from visionft_operator.freshness import Freshness
from visionft_operator.ingest.ports import ResourceKey
from visionft_operator.ingest.store import ReportStore
from visionft_operator.kube import CONFIG_MAPS, EVENTS, JOBS, PODS, VISION_FINE_TUNES, ApiError, Kind, Listing
from visionft_operator.metrics import Metrics

KEY = ResourceKey("team", "digits")


class FakeKube:
    """Keeps what is applied, notes every write in order, and refuses what it is told to refuse."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.writes: list[str] = []
        self.refuse: dict[str, ApiError] = {}
        self._version = 100

    def put(self, kind: Kind, body: dict[str, Any]) -> dict[str, Any]:
        self._version += 1
        extra = {"uid": f"uid-{self._version}", "creationTimestamp": "2026-03-01T11:59:59Z"}
        stored = {**body, "metadata": {**extra, **body["metadata"], "resourceVersion": str(self._version)}}
        self.objects[kind.plural, body["metadata"]["name"]] = stored
        return stored

    async def get(self, kind: Kind, namespace: str, name: str) -> dict[str, Any] | None:
        return {} if kind.kind == "PersistentVolumeClaim" else self.objects.get((kind.plural, name))

    async def list(self, kind: Kind, namespace: str, **query: str) -> Listing:
        return Listing((), self._version)

    async def apply(self, kind: Kind, body: dict[str, Any], subresource: str | None = None) -> dict[str, Any]:
        self._note(kind, subresource or "")
        if subresource:
            body = {**self.objects[kind.plural, body["metadata"]["name"]], "status": body["status"]}
        return self.put(kind, body)

    async def try_apply(self, kind: Kind, body: dict[str, Any]) -> dict[str, Any]:
        known = self.objects.get((kind.plural, body["metadata"]["name"]))
        if known is None:
            return body
        if any(known["data"].get(key, value) != value for key, value in body["data"].items()):
            raise ApiError(409, "Conflict", "Apply failed with 1 conflict")
        return {**body, "data": {**known["data"], **body["data"]}}

    async def create(self, kind: Kind, body: dict[str, Any]) -> dict[str, Any]:
        self._note(kind, body.get("reason", ""))
        if (kind.plural, body["metadata"]["name"]) in self.objects:
            raise ApiError(409, "AlreadyExists", "it is there")
        return self.put(kind, body)

    async def merge(self, kind: Kind, namespace: str, name: str, patch: dict[str, Any]) -> dict[str, Any]:
        self._note(kind, "merge")
        job = self.objects[kind.plural, name]
        return self.put(kind, {**job, "spec": {**job["spec"], **patch["spec"]}})

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> None:
        self._note(kind, "delete")
        del self.objects[kind.plural, name]

    def _note(self, kind: Kind, what: str) -> None:
        told = f"{kind.kind} {what}".strip()
        self.writes.append(told)
        if told in self.refuse:
            raise self.refuse[told]


class Scene:
    """A controller with everything it needs, and one resource."""

    def __init__(self) -> None:
        self.now = NOW
        self.kube = FakeKube()
        self.cache = Cache([VISION_FINE_TUNES, JOBS, PODS])
        reports = ReportStore()
        self.metrics = Metrics(CacheFleet(self.cache, reports, Freshness([])))
        self.controller = Controller(
            self.kube,  # type: ignore[arg-type]
            self.cache,
            reports,
            self.metrics,
            lambda: ENVIRONMENT,
            lambda: self.now,
        )
        metadata = {"namespace": "team", "name": "digits", "uid": "vft-1", "generation": 1}
        body = {"apiVersion": "visionft.dev/v1alpha1", "kind": "VisionFineTune", "metadata": metadata, "spec": SPEC}
        self.cache[VISION_FINE_TUNES].put(self.kube.put(VISION_FINE_TUNES, body))

    def conditions(self) -> dict[str, tuple[str, str]]:
        status = self.kube.objects["visionfinetunes", "digits"]["status"]
        return {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}

    def finish_job(self, name: str = "digits-run-1") -> None:
        """What the Job controller does at the end."""
        job = self.kube.objects["jobs", name]
        ended = {"type": "Complete", "status": "True", "lastTransitionTime": "2026-03-01T12:00:00Z"}
        self.cache[JOBS].put(self.kube.put(JOBS, {**job, "status": {"conditions": [ended]}}))


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_children_first_then_the_story_then_the_status(scene: Scene) -> None:
    await scene.controller.reconcile(KEY)
    assert scene.kube.writes == ["ConfigMap", "Job", "Event Accepted", "Event JobCreated", "VisionFineTune status"]
    scene.kube.writes.clear()
    await scene.controller.reconcile(KEY)
    assert scene.kube.writes == []


async def test_a_status_that_was_just_written_is_what_the_next_decision_sees(scene: Scene) -> None:
    """The watch has not delivered it yet; without it, an expired Job would be created anew."""
    await scene.controller.reconcile(KEY)
    scene.finish_job()
    await scene.controller.reconcile(KEY)
    assert scene.conditions()["Succeeded"] == ("False", "ResultMissing")
    scene.kube.writes.clear()
    job = scene.kube.objects.pop(("jobs", "digits-run-1"))
    scene.cache[JOBS].saw_event("DELETED", {**job, "metadata": {**job["metadata"], "resourceVersion": "999"}})
    await scene.controller.reconcile(KEY)
    assert scene.kube.writes == []


async def test_what_waits_for_the_end_to_be_written_down_follows_at_once(scene: Scene) -> None:
    body = scene.kube.objects["visionfinetunes", "digits"]
    spec = {**SPEC, "runPolicy": {"jobTTL": "1h"}}
    scene.cache[VISION_FINE_TUNES].put(scene.kube.put(VISION_FINE_TUNES, {**body, "spec": spec}))
    await scene.controller.reconcile(KEY)
    scene.finish_job()
    scene.kube.writes.clear()
    assert await scene.controller.reconcile(KEY) == 0
    assert await scene.controller.reconcile(KEY) is None
    assert scene.kube.writes[-2:] == ["VisionFineTune status", "Job merge"]
    assert scene.kube.objects["jobs", "digits-run-1"]["spec"]["ttlSecondsAfterFinished"] == 3600


async def test_the_end_of_a_resource_that_is_gone_is_not_told_over_and_over(scene: Scene) -> None:
    await scene.controller.reconcile(KEY)
    scene.finish_job()
    scene.kube.refuse["VisionFineTune status"] = ApiError(404, "NotFound", "gone")
    assert await scene.controller.reconcile(KEY) is None


async def test_a_finished_run_is_not_trained_again_on_a_stale_memory(scene: Scene) -> None:
    """Another process has finished the run; ours has not heard of it, and the Job has expired."""
    live = scene.kube.objects["visionfinetunes", "digits"]
    scene.kube.put(VISION_FINE_TUNES, {**live, "status": {"run": 1}})
    again = await scene.controller.reconcile(KEY)
    assert "Job" not in scene.kube.writes
    assert again == 1.0


async def test_a_refused_job_becomes_a_condition_and_is_tried_again_later(scene: Scene) -> None:
    scene.kube.refuse["Job"] = ApiError(403, "Forbidden", "exceeded quota: jobs")
    again = await scene.controller.reconcile(KEY)
    assert scene.conditions()["Queued"] == ("True", "CreationRefused")
    assert again == 30
    scene.kube.refuse.clear()
    await scene.controller.reconcile(KEY)
    assert scene.conditions()["Queued"] == ("True", "WaitingForPod")


async def test_somebody_elses_job_of_that_name_is_left_alone(scene: Scene) -> None:
    foreign = {"metadata": {"namespace": "team", "name": "digits-run-1"}, "spec": {"mine": True}}
    scene.kube.put(JOBS, foreign)
    await scene.controller.reconcile(KEY)
    assert scene.kube.objects["jobs", "digits-run-1"]["spec"] == {"mine": True}
    assert scene.conditions()["Queued"] == ("True", "CreationRefused")


@pytest.mark.parametrize("data", [{"mine": "1"}, {"run.json": "mine", "run.yaml": "mine", "ca.crt": "mine"}])
async def test_somebody_elses_configmap_of_that_name_is_left_alone(scene: Scene, data: dict[str, str]) -> None:
    """Entries of its own are merged without a conflict, the same entries are a conflict."""
    foreign = {"metadata": {"namespace": "team", "name": "digits-run-1"}, "data": data}
    scene.kube.put(CONFIG_MAPS, foreign)
    assert await scene.controller.reconcile(KEY) == 30
    assert scene.kube.objects["configmaps", "digits-run-1"]["data"] == data
    assert ("jobs", "digits-run-1") not in scene.kube.objects
    assert scene.conditions()["Queued"] == ("True", "CreationRefused")
    status = scene.kube.objects["visionfinetunes", "digits"]["status"]
    told = next(c for c in status["conditions"] if c["type"] == "Queued")
    assert "a ConfigMap digits-run-1 that does not belong to this resource is in the way; delete it" in told["message"]
    del scene.kube.objects["configmaps", "digits-run-1"]
    await scene.controller.reconcile(KEY)
    assert scene.conditions()["Queued"] == ("True", "WaitingForPod")


async def test_our_own_configmap_is_not_in_our_way(scene: Scene) -> None:
    """Its Job was refused the first time."""
    scene.kube.refuse["Job"] = ApiError(403, "Forbidden", "exceeded quota: jobs")
    await scene.controller.reconcile(KEY)
    assert ("configmaps", "digits-run-1") in scene.kube.objects
    scene.kube.refuse.clear()
    await scene.controller.reconcile(KEY)
    assert ("jobs", "digits-run-1") in scene.kube.objects


async def test_a_configmap_of_a_live_run_that_was_deleted_or_edited_is_put_back(scene: Scene) -> None:
    await scene.controller.reconcile(KEY)
    whole = scene.kube.objects.pop(("configmaps", "digits-run-1"))["data"]
    scene.now += timedelta(seconds=59)
    await scene.controller.reconcile(KEY)
    assert ("configmaps", "digits-run-1") not in scene.kube.objects
    scene.now += timedelta(seconds=1)
    await scene.controller.reconcile(KEY)
    assert scene.kube.objects["configmaps", "digits-run-1"]["data"] == whole
    scene.kube.objects["configmaps", "digits-run-1"]["data"] = {}
    scene.kube.writes.clear()
    scene.now += timedelta(seconds=60)
    await scene.controller.reconcile(KEY)
    assert scene.kube.objects["configmaps", "digits-run-1"]["data"] == whole
    assert scene.kube.writes == ["ConfigMap"]


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_fault_of_the_api_server_is_not_the_users(scene: Scene, status: int) -> None:
    scene.kube.refuse["Job"] = ApiError(status, "Later", "busy")
    with pytest.raises(ApiError):
        await scene.controller.reconcile(KEY)
    assert ("visionfinetunes", "digits") in scene.kube.objects
    assert "status" not in scene.kube.objects["visionfinetunes", "digits"]
    assert b'visionft_reconcile_errors_total{reason="Later"} 1.0' in generate_latest(scene.metrics.registry)


async def test_events_that_are_refused_or_told_already_stop_nothing(scene: Scene) -> None:
    scene.kube.refuse["Event Accepted"] = ApiError(403, "Forbidden", "namespace is being terminated")
    await scene.controller.reconcile(KEY)
    assert scene.conditions()["Accepted"] == ("True", "Accepted")


async def test_runs_are_counted(scene: Scene) -> None:
    await scene.controller.reconcile(KEY)
    scene.finish_job()
    await scene.controller.reconcile(KEY)
    await scene.controller.reconcile(KEY)
    told = generate_latest(scene.metrics.registry).decode()
    assert "visionft_runs_started_total 1.0" in told
    assert 'visionft_runs_finished_total{outcome="Failed",reason="ResultMissing"} 1.0' in told


async def test_a_check_is_no_run_and_its_end_wakes_the_training(scene: Scene) -> None:
    body = scene.kube.objects["visionfinetunes", "digits"]
    spec = {**SPEC, "runPolicy": {"check": "Before"}}
    scene.cache[VISION_FINE_TUNES].put(scene.kube.put(VISION_FINE_TUNES, {**body, "spec": spec}))
    await scene.controller.reconcile(KEY)
    assert ("jobs", "digits-check-1") in scene.kube.objects
    assert "visionft_runs_started_total 0.0" in generate_latest(scene.metrics.registry).decode()
    scene.finish_job("digits-check-1")
    scene.kube.writes.clear()
    assert await scene.controller.reconcile(KEY) == 0
    assert scene.kube.writes == ["Event CheckPassed", "VisionFineTune status"]
    await scene.controller.reconcile(KEY)
    assert ("jobs", "digits-run-1") in scene.kube.objects
    assert "visionft_runs_started_total 1.0" in generate_latest(scene.metrics.registry).decode()
    assert "visionft_runs_finished_total{" not in generate_latest(scene.metrics.registry).decode()


async def test_a_deleted_resource_is_forgotten(scene: Scene) -> None:
    await scene.controller.reconcile(KEY)
    body = scene.kube.objects["visionfinetunes", "digits"]
    scene.cache[VISION_FINE_TUNES].saw_event("DELETED", body)
    scene.kube.writes.clear()
    assert await scene.controller.reconcile(KEY) is None
    assert scene.kube.writes == []


async def test_the_configs_kind_is_applied_and_never_read(scene: Scene) -> None:
    """The operator may not read ConfigMaps, so it must get by without."""
    asked: list[Kind] = []
    get = scene.kube.get

    async def noting(kind: Kind, namespace: str, name: str) -> dict[str, Any] | None:
        asked.append(kind)
        return await get(kind, namespace, name)

    scene.kube.get = noting  # type: ignore[method-assign]
    await scene.controller.reconcile(KEY)
    assert CONFIG_MAPS not in asked
    assert EVENTS not in asked
