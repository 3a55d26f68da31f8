"""runPolicy.check: Before. The check comes first and without GPUs; what has passed or begun is never checked again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support.observed import (
    NOW,
    ago,
    conditions,
    ended,
    failed,
    job,
    last_word,
    message,
    observed,
    pod,
    reconciled,
    report,
    resource,
    running,
    settle,
    status_of,
    succeeded,
    with_config,
)
from visionft_api.resource import VisionFineTune
from visionft_api.status import DataSummary, DataWarning, Estimate, Phase, SplitSummary
from visionft_operator.reconcile import reconcile
from visionft_operator.reconcile.observed import Observed
from visionft_operator.reconcile.plan import ApplyConfigMap, CreateJob, DeleteJob, PatchJob
from visionft_operator.reconcile.views import JobView, PodView

FOUND = DataSummary(
    train=SplitSummary(rows=90, dropped={"TooLong": 2}),
    warnings=[DataWarning(reason="Duplicates", message="2 rows are there twice.")],
)
CHECK = {"name": "digits-check-1", "uid": "uid-check-1", "check": True}


def before(**run_policy: Any) -> VisionFineTune:
    """A resource that wants its data checked first, and a GPU for its training."""
    return resource(runPolicy={"check": "Before", **run_policy}, resources={"gpus": 1})


def check_job(vft: VisionFineTune | None = None, **changes: Any) -> JobView:
    """The Job of the check."""
    return job(vft or before(), **{**CHECK, **changes})


def check_ended(condition: str = "Complete", reason: str = "") -> JobView:
    """The Job of the check, finished."""
    return ended(before(), condition, reason, **CHECK)


def of_check(pod: PodView) -> PodView:
    """A pod of the check."""
    return replace(pod, job_uid="uid-check-1", name="digits-check-1-pod1")


def said(code: int = 0, text: str = "The data can be trained on.") -> str:
    """What the check's pod leaves."""
    return last_word(code, "Completed" if code == 0 else "BadDataset", message=text, data=FOUND)


def checked() -> Observed:
    """A resource whose data has been checked, and the status says so."""
    o = with_config(observed(before(), jobs=(check_ended(),), pods=(of_check(succeeded(said())),)))
    return settle(o, jobs=o.jobs, pods=o.pods)


def test_the_check_comes_first_and_asks_for_no_gpu() -> None:
    plan = reconcile(observed(before()))
    config, create = plan.before
    assert isinstance(config, ApplyConfigMap)
    assert isinstance(create, CreateJob)
    assert create.check
    assert create.body["metadata"]["name"] == "digits-check-1"
    (container,) = create.body["spec"]["template"]["spec"]["containers"]
    assert container["command"][:2] == ["visionft-trainer", "check"]
    assert "limits" not in container["resources"]
    assert '"gpus": 1' in config.body["data"]["run.json"], "the run itself keeps its GPU"


def test_inline_creates_the_run_at_once() -> None:
    (_, create) = reconcile(observed(resource())).before
    assert isinstance(create, CreateJob)
    assert not create.check


def test_while_it_checks_nothing_trains() -> None:
    plan = reconciled(observed(before(), jobs=(check_job(),), pods=(of_check(running()),)))
    status = status_of(plan)
    told = conditions(status)
    assert told["DataChecked"] == ("Unknown", "Checking")
    assert told["Queued"] == ("True", "Checking")
    assert told["Running"] == ("False", "NotStarted")
    assert told["Succeeded"] == ("Unknown", "InProgress")
    assert "digits-check-1-pod1 runs on node node-1" in message(status, "Queued")
    assert (status.phase, status.start_time, status.job_ref) == (Phase.PENDING, None, None)
    assert [note.reason for note in plan.notes] == ["Accepted", "CheckStarted"]


def test_what_keeps_the_check_from_starting_is_told() -> None:
    stuck = of_check(pod(waiting_reason="ErrImagePull", waiting_message="no such image", node="node-1"))
    status = status_of(reconciled(observed(before(), jobs=(check_job(),), pods=(stuck,))))
    assert conditions(status)["Queued"] == ("True", "ImagePullFailed")
    assert "no such image" in message(status, "DataChecked")


def test_what_the_check_found_is_written_before_the_training_is_created() -> None:
    o = with_config(observed(before(), jobs=(check_ended(),), pods=(of_check(succeeded(said())),)))
    plan = reconcile(o)
    status = status_of(plan)
    assert plan.before == ()
    assert plan.again_after == 0
    assert conditions(status)["DataChecked"] == ("True", "CheckPassed")
    assert conditions(status)["Succeeded"][0] == "Unknown"
    assert (status.data, status.completion_time, status.start_time) == (FOUND, None, None)
    assert [(n.type, n.reason) for n in plan.notes if n.reason in ("CheckPassed", "Duplicates")] == [
        ("Normal", "CheckPassed"),
        ("Warning", "Duplicates"),
    ]
    created = reconcile(settle(o, jobs=o.jobs, pods=o.pods)).before[-1]
    assert isinstance(created, CreateJob)
    assert created.body["metadata"]["name"] == "digits-run-1"
    limits = created.body["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert limits == {"nvidia.com/gpu": "1"}


def test_a_run_that_trains_keeps_what_the_check_found() -> None:
    o = replace(checked(), jobs=(check_ended(), job(before())), pods=(running(),))
    status = status_of(reconciled(o))
    assert status.data == FOUND
    assert conditions(status)["DataChecked"] == ("True", "CheckPassed")
    assert conditions(status)["Running"] == ("True", "Training")
    assert status.job_ref is not None
    assert status.job_ref.name == "digits-run-1"


def test_a_failed_check_is_the_failure_of_the_run() -> None:
    lost = of_check(failed(11, message=said(11, "train.jsonl row 3 has no picture; add it.")))
    o = with_config(observed(before(), jobs=(check_ended("Failed", "PodFailurePolicy"),), pods=(lost,)))
    plan = reconcile(o)
    status = status_of(plan)
    assert conditions(status)["Succeeded"] == ("False", "BadDataset")
    assert conditions(status)["DataChecked"] == ("False", "CheckFailed")
    assert "The check of the data, which comes before the training, failed: train.jsonl row 3" in message(
        status, "Succeeded"
    )
    assert (status.phase, status.data) == (Phase.FAILED, FOUND)
    assert status.completion_time is not None
    assert status.last_failure is not None
    assert status.last_failure.reason == "BadDataset"
    assert status.history[0].outcome == "Failed"
    assert [n.reason for n in plan.notes] == ["Accepted", "Duplicates", "Failed"]
    assert reconcile(settle(o)).before == (), "nothing is tried again when the Job of the check is gone"


@pytest.mark.parametrize("jobs", [(), (check_job(deleting=True),)])
def test_a_check_that_passed_is_not_repeated_when_its_job_is_gone(jobs: tuple[JobView, ...]) -> None:
    created = reconcile(replace(checked(), jobs=jobs, pods=())).before[-1]
    assert isinstance(created, CreateJob)
    assert not created.check


def test_a_run_that_has_begun_to_train_is_never_checked() -> None:
    vft = resource()
    trained = settle(with_config(observed(vft, jobs=(job(vft),), pods=(running(),))))
    switched = replace(trained, resource=before(), jobs=(), pods=())
    # Another number of GPUs would be another run; this is the same one with the check switched on.
    switched = replace(switched, resource=resource(runPolicy={"check": "Before"}))
    created = reconcile(switched).before[-1]
    assert isinstance(created, CreateJob)
    assert not created.check


def test_a_check_that_was_deleted_on_the_way_is_done_again() -> None:
    o = settle(with_config(observed(before(), jobs=(check_job(),), pods=(of_check(running()),))))
    created = reconcile(replace(o, jobs=(), pods=())).before[-1]
    assert isinstance(created, CreateJob)
    assert created.check


def test_a_check_that_is_not_wanted_any_more_goes() -> None:
    o = settle(with_config(observed(before(), jobs=(check_job(),), pods=(of_check(running()),))))
    inline = resource(resources={"gpus": 1})
    plan = reconcile(replace(o, resource=inline, jobs=(check_job(),), pods=()))
    assert [type(action) for action in plan.before] == [DeleteJob, ApplyConfigMap, CreateJob]
    assert isinstance(plan.before[0], DeleteJob)
    assert plan.before[0].uid == "uid-check-1"


def test_the_next_run_is_checked_anew() -> None:
    o = replace(checked(), jobs=(check_ended(), ended(before())), pods=(succeeded(said()),))
    done = settle(o, jobs=o.jobs, pods=())
    again = resource(generation=2, runPolicy={"check": "Before", "rerun": "2"}, resources={"gpus": 1})
    plan = reconcile(replace(done, resource=again))
    deleted = {action.name for action in plan.before if isinstance(action, DeleteJob)}
    assert deleted == {"digits-check-1", "digits-run-1"}
    created = plan.before[-1]
    assert isinstance(created, CreateJob)
    assert created.body["metadata"]["name"] == "digits-check-2"


def test_a_check_is_held_with_its_run() -> None:
    held = before(suspend=True)
    assert reconcile(observed(held)).before == ()
    o = with_config(observed(held, jobs=(check_job(),), pods=(of_check(running()),)))
    assert reconcile(o).before == (PatchJob("digits-check-1", {"suspend": True}),)
    status = status_of(reconcile(replace(o, jobs=(check_job(suspended=True),), pods=())))
    assert status.phase == Phase.SUSPENDED
    assert "The check of its data is held too." in message(status, "Suspended")


def test_a_check_that_does_not_start_in_time_ends_the_run() -> None:
    late = before(pendingDeadline="5s")
    o = with_config(observed(late, jobs=(check_job(late, created=ago(60)),), pods=(of_check(pod()),)))
    status = status_of(reconcile(o))
    assert conditions(status)["Succeeded"] == ("False", "PendingDeadlineExceeded")
    plan = reconcile(settle(o, jobs=o.jobs, pods=o.pods))
    assert [action.name for action in plan.after if isinstance(action, DeleteJob)] == ["digits-check-1"]


def test_its_job_expires_as_that_of_the_run_does() -> None:
    vft = before(jobTTL="1h")
    o = replace(checked(), resource=vft, jobs=(check_ended(), ended(vft)), pods=(succeeded(said()),))
    plan = reconcile(settle(o, jobs=o.jobs, pods=()))
    assert {action.name for action in plan.after if isinstance(action, PatchJob)} == {"digits-run-1", "digits-check-1"}


def test_findings_and_estimate_are_told_while_a_run_trains_and_stay_after_a_restart() -> None:
    vft = resource()
    told = report(data=FOUND, estimate=Estimate(gpu_memory="12Gi", gpu_hours="1.5"))
    o = with_config(observed(vft, jobs=(job(vft),), pods=(running(),), report=told))
    plan = reconcile(o)
    status = status_of(plan)
    assert (status.data, status.estimate) == (FOUND, Estimate(gpu_memory="12Gi", gpu_hours="1.5"))
    assert [n.message for n in plan.notes if n.reason == "Duplicates"] == ["2 rows are there twice."]
    after = reconcile(replace(settle(o, jobs=o.jobs, pods=o.pods), report=None, now=NOW))
    assert after.notes == ()
    assert (status_of(after).data, status_of(after).estimate) == (status.data, status.estimate)


def test_findings_that_nobody_heard_come_from_the_last_word() -> None:
    vft = resource(evaluation={"gates": []})
    estimate = Estimate(gpu_memory="12Gi")
    text = last_word(data=FOUND, estimate=estimate)
    status = status_of(reconcile(observed(vft, jobs=(ended(vft),), pods=(succeeded(text),))))
    assert (status.data, status.estimate) == (FOUND, estimate)


def test_the_next_run_begins_without_the_findings_of_the_last() -> None:
    vft = resource()
    o = with_config(observed(vft, jobs=(job(vft),), pods=(running(),), report=report(data=FOUND)))
    known = settle(o, jobs=o.jobs, pods=o.pods)
    other = resource(generation=2, training={"seed": 1})
    fresh = replace(known, resource=other, jobs=(job(other, run=2),), pods=(), report=None)
    assert status_of(reconciled(fresh)).data is None
