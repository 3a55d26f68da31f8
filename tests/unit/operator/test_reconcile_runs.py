"""What starts a run, what does not, and what is done in which order."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.observed import (
    ago,
    conditions,
    ended,
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
from visionft_api.status import Evaluation, Progress, VisionFineTuneStatus
from visionft_operator.reconcile import reconcile
from visionft_operator.reconcile.observed import Observed, Refusal
from visionft_operator.reconcile.plan import ApplyConfigMap, CreateJob, DeleteJob, PatchJob

DONE = last_word(reason="GatesPassed", evaluation=Evaluation(tuned={"cer": "0.01"}))


def finished(vft: VisionFineTune | None = None) -> Observed:
    """A resource whose run 1 has succeeded and whose status says so."""
    vft = vft or resource()
    o = with_config(observed(vft, jobs=(ended(vft),), pods=(succeeded(DONE),)))
    return settle(o, jobs=o.jobs, pods=o.pods)


def under_way(vft: VisionFineTune | None = None) -> Observed:
    """A resource whose run 1 trains."""
    vft = vft or resource()
    o = with_config(observed(vft, jobs=(job(vft),), pods=(running(),)))
    return settle(o, jobs=o.jobs, pods=o.pods)


def edited(o: Observed, **changes: dict[str, object]) -> Observed:
    """The same after the user changed the spec."""
    vft = resource(generation=2, **changes)
    return replace(o, resource=vft, meta=replace(o.meta, generation=2))


def test_a_new_resource_gets_its_config_before_its_job() -> None:
    plan = reconcile(observed())
    assert [type(action) for action in plan.before] == [ApplyConfigMap, CreateJob]
    assert [action.body["metadata"]["name"] for action in plan.before] == ["digits-run-1", "digits-run-1"]
    assert plan.status is None


def test_claims_are_asked_for_before_a_job_is_created_and_not_after() -> None:
    assert reconcile(observed(missing_claims=None)).ask
    assert not reconcile(replace(under_way(), missing_claims=None)).ask
    assert not reconcile(replace(finished(), missing_claims=None, jobs=())).ask


def test_nothing_changes_nothing() -> None:
    for o in (under_way(), finished()):
        plan = reconcile(o)
        assert (plan.before, plan.notes, plan.status, plan.after) == ((), (), None, ())


@pytest.mark.parametrize("jobs", [(), (replace(ended(), deleting=True),)])
def test_a_finished_run_never_trains_again_whatever_becomes_of_its_job(jobs: tuple[object, ...]) -> None:
    plan = reconcile(replace(finished(), jobs=jobs, pods=()))
    assert (plan.before, plan.status, plan.after) == ((), None, ())


def test_changed_gates_judge_a_finished_run_anew_and_train_nothing() -> None:
    stricter = edited(finished(), evaluation={"gates": ["cer <= 0.005"]})
    plan = reconcile(stricter)
    assert not plan.before
    status = status_of(plan)
    assert conditions(status)["Succeeded"] == ("False", "GateNotMet")
    assert "cer 0.01 (misses cer <= 0.005)" in message(status, "Succeeded")
    assert status.evaluation is not None
    assert (status.run, status.phase, status.evaluation.verdict) == (1, "Failed", "Failed")
    assert [(entry.run, entry.outcome) for entry in status.history] == [(1, "Failed")]
    assert [note.reason for note in plan.notes] == ["GateNotMet"]
    settled = settle(stricter, jobs=stricter.jobs, pods=stricter.pods)
    assert reconcile(settled).status is None, "said once"
    again = status_of(reconcile(replace(settled, resource=resource(generation=3, evaluation={"gates": []}))))
    assert conditions(again)["Succeeded"] == ("True", "Completed")


def test_an_unfinished_job_that_was_deleted_is_created_again_as_the_same_run() -> None:
    plan = reconcile(replace(under_way(), jobs=(), pods=()))
    (create,) = [action for action in plan.before if isinstance(action, CreateJob)]
    assert create.body["metadata"]["name"] == "digits-run-1"


def test_a_job_that_is_on_its_way_out_is_waited_for() -> None:
    plan = reconcile(replace(under_way(), jobs=(replace(job(), deleting=True),)))
    assert plan.before == ()
    assert "created again" in next(c.message for c in status_of(plan).conditions if c.type == "Queued")


def test_a_job_is_not_created_again_while_its_pod_still_writes() -> None:
    o = replace(under_way(), jobs=(), pods=(running(deleting=True),))
    plan = reconcile(o)
    assert plan.before == ()
    assert "pod digits-run-1-pod1 is still ending" in message(status_of(plan), "Queued")
    assert reconcile(replace(o, pods=(pod(phase="Failed"),))).before != ()


def test_a_change_of_what_is_trained_starts_the_next_run_and_ends_the_old_job() -> None:
    plan = reconcile(edited(finished(), training={"seed": 7}))
    assert [type(action) for action in plan.before] == [DeleteJob, ApplyConfigMap, CreateJob]
    assert plan.before[2].body["metadata"]["name"] == "digits-run-2"  # type: ignore[union-attr]


def test_rerun_starts_the_next_run_without_another_change() -> None:
    plan = reconcile(edited(finished(), runPolicy={"rerun": "again"}))
    assert plan.before[-1].body["metadata"]["name"] == "digits-run-2"  # type: ignore[union-attr]


def test_the_new_run_begins_with_a_clean_slate_and_the_old_one_is_history() -> None:
    o = edited(finished(), training={"seed": 7})
    o = replace(o, jobs=(job(o.resource, run=2),), pods=(pod(2, run=2, job_uid="uid-job-2"),))
    status = status_of(reconciled(o))
    assert status.run == 2
    assert status.evaluation is None
    assert status.completion_time is None
    assert conditions(status)["Succeeded"] == ("Unknown", "InProgress")
    assert [(entry.run, entry.outcome, entry.reason) for entry in status.history] == [(1, "Succeeded", "GatesPassed")]


def test_a_run_that_was_replaced_on_its_way_is_history_too() -> None:
    o = edited(under_way(), training={"seed": 7})
    status = status_of(reconciled(replace(o, jobs=(job(o.resource, run=2),), pods=())))
    assert [(entry.run, entry.outcome) for entry in status.history] == [(1, "Replaced")]


def test_history_keeps_the_latest_five() -> None:
    o = finished()
    for run in range(2, 9):
        o = edited(o, training={"seed": run})
        jobs = (ended(o.resource, run=run),)
        o = replace(o, jobs=jobs, pods=(replace(succeeded(DONE), run=run, job_uid=f"uid-job-{run}"),))
        o = settle(with_config(o), jobs=jobs, pods=o.pods)
    assert [entry.run for entry in o.status.history] == [8, 7, 6, 5, 4]


@pytest.mark.parametrize(
    "change",
    [
        {"podTemplate": {"labels": {"team": "vision"}}},
        {"runPolicy": {"jobTTL": "1h"}},
        {"resources": {"gpus": 0, "memory": "8Gi"}},
        {"runPolicy": {"activeDeadline": "2h", "backoffLimit": 7}},
    ],
)
def test_what_training_does_not_depend_on_never_retrains(change: dict[str, dict[str, object]]) -> None:
    for o in (finished(), under_way()):
        plan = reconcile(edited(o, **change))
        assert not any(isinstance(action, CreateJob | DeleteJob) for action in (*plan.before, *plan.after))


def test_the_generation_is_noted_even_when_nothing_else_follows() -> None:
    status = status_of(reconcile(edited(finished(), podTemplate={"labels": {"team": "vision"}})))
    assert status.observed_generation == 2
    assert status.phase == "Succeeded"


def test_limits_reach_the_live_job() -> None:
    plan = reconcile(edited(under_way(), runPolicy={"activeDeadline": "2h", "backoffLimit": 7, "suspend": True}))
    (patch,) = [action for action in plan.before if isinstance(action, PatchJob)]
    assert patch.spec == {"suspend": True, "backoffLimit": 7, "activeDeadlineSeconds": 7200}


def test_the_ttl_goes_on_the_job_only_when_the_end_is_written_down() -> None:
    vft = resource(runPolicy={"jobTTL": "1h"})
    o = with_config(observed(vft, jobs=(ended(vft),), pods=(succeeded(DONE),)))
    first = reconcile(o)
    assert first.after == ()
    assert first.again_after == 0, "nothing else wakes it: the echo of the operator's own write is no news"
    second = reconcile(settle(o, jobs=o.jobs, pods=o.pods))
    assert second.again_after is None
    assert second.after == (PatchJob("digits-run-1", {"ttlSecondsAfterFinished": 3600}),)


def test_a_run_that_ended_by_our_judgement_loses_its_job_only_afterwards() -> None:
    vft = resource(runPolicy={"pendingDeadline": "1m"})
    late = job(vft, created=ago(61))
    o = with_config(observed(vft, jobs=(late,), pods=(pod(),)))
    assert reconcile(o).after == ()
    assert reconcile(settle(o, jobs=(late,), pods=(pod(),))).after == (DeleteJob(late.name, late.uid),)


def test_a_pass_that_was_cut_short_after_creating_the_job_is_taken_up() -> None:
    o = edited(finished(), training={"seed": 7})
    o = replace(o, jobs=(job(o.resource, run=2),))
    assert status_of(reconciled(o)).run == 2


def test_back_to_an_earlier_spec_is_a_new_run() -> None:
    first = resource()
    o = edited(finished(first), training={"seed": 7})
    o = replace(o, jobs=(job(o.resource, run=2),), pods=())
    o = settle(with_config(o), jobs=(*o.jobs, replace(ended(first), deleting=True)))
    plan = reconcile(replace(o, resource=first))
    assert plan.before[-1].body["metadata"]["name"] == "digits-run-3"  # type: ignore[union-attr]


def test_a_refused_spec_stops_nothing_that_runs() -> None:
    plan = reconcile(edited(under_way(), queue={"name": "gpus"}))
    assert (plan.before, plan.after) == ((), ())
    assert conditions(status_of(plan))["Running"] == ("True", "Training")
    assert "Run 1, which began before this change, goes on." in message(status_of(plan), "Accepted")
    assert status_of(plan).phase == "Running"


def test_a_deleted_resource_is_left_to_garbage_collection() -> None:
    o = under_way()
    plan = reconcile(replace(o, meta=replace(o.meta, deleting=True), jobs=()))
    assert (plan.before, plan.status, plan.after) == ((), None, ())


def test_a_new_certificate_authority_reaches_the_config_of_a_live_run() -> None:
    o = under_way()
    renewed = replace(o, environment=replace(o.environment, ca_pem="another"))
    assert [type(action) for action in reconcile(renewed).before] == [ApplyConfigMap]
    assert reconcile(replace(finished(), config_digest=None)).before == ()


def test_progress_alone_waits_for_its_turn() -> None:
    o = under_way()
    told = report(progress=Progress(percent=10, loss="2.5"))
    at_once = status_of(reconcile(replace(o, report=told)))
    assert at_once.progress is not None
    assert at_once.progress.display == "10%"

    more = report(sequence=2, progress=Progress(percent=11, loss="2.4"))
    soon = replace(o, status=at_once, report=more, progress_written=ago(4))
    plan = reconcile(soon)
    assert plan.status is None
    assert plan.again_after == pytest.approx(6)
    assert reconcile(replace(soon, progress_written=ago(10))).status is not None


def test_a_new_stage_does_not_wait() -> None:
    o = replace(under_way(), progress_written=ago(1))
    assert reconcile(replace(o, report=report(stage="evaluate"))).status is not None


def test_a_report_that_says_nothing_new_is_not_written() -> None:
    o = under_way()
    first = report(progress=Progress(percent=10))
    o = replace(o, status=status_of(reconcile(replace(o, report=first))), progress_written=ago(60))
    assert reconcile(replace(o, report=report(sequence=9, progress=Progress(percent=10)))).status is None


def test_progress_survives_an_operator_that_has_forgotten_the_reports() -> None:
    o = under_way()
    known = status_of(reconcile(replace(o, report=report(progress=Progress(percent=42)))))
    after_restart = replace(o, status=known, report=None, config_digest=None)
    assert [type(action) for action in reconcile(after_restart).before] == [ApplyConfigMap]
    plan = reconciled(after_restart)
    assert plan.status is None or status_of(plan).progress == known.progress


def test_a_refused_patch_does_not_hide_what_is_known() -> None:
    o = edited(under_way(), runPolicy={"backoffLimit": 7})
    plan = reconcile(replace(o, refusal=Refusal("Job", 422, "no")))
    assert plan.before == ()
    assert conditions(status_of(plan))["Running"] == ("True", "Training")


def test_a_status_of_nothing_is_no_run() -> None:
    assert reconcile(observed(status=VisionFineTuneStatus())).before != ()
