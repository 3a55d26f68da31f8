"""What a user reads in the conditions, for each thing that can be observed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

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
    status_of,
    succeeded,
)
from visionft_api.hashing import spec_hash
from visionft_api.status import (
    Artifact,
    Evaluation,
    EvaluationWarning,
    Intervals,
    MetricInterval,
    Progress,
    Resolved,
    Verdict,
    VisionFineTuneStatus,
)
from visionft_api.termination import TerminationMessage, encode
from visionft_operator.reconcile import reconcile
from visionft_operator.reconcile.observed import Refusal
from visionft_operator.reconcile.views import ConditionView, PodView, Warned

GOOD = Evaluation(baseline={"cer": "0.71"}, tuned={"cer": "0.041"}, samples=200)
BAD = Evaluation(baseline={"cer": "0.71"}, tuned={"cer": "0.09"}, samples=200)

FORGOTTEN = EvaluationWarning(reason="Forgetting", message="Worse on the general rows.")


def told(evaluation: Evaluation | None, code: int = 0, reason: str = "Completed", text: str = "") -> str:
    """A termination message."""
    return last_word(code, reason, message=text, evaluation=evaluation)


def waiting(reason: str, text: str = "") -> PodView:
    """A pod with a node whose container waits."""
    return pod(node="node-1", waiting_reason=reason, waiting_message=text)


def unschedulable() -> PodView:
    """A pod that no node can take."""
    said = ConditionView("False", "Unschedulable", "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.")
    return pod(conditions={"PodScheduled": said})


def lost(**changes: object) -> PodView:
    """A pod whose node does not answer."""
    return running(conditions={"Ready": ConditionView("False")}, **changes)


def evicting() -> PodView:
    """A pod that its node's taint takes away but that cannot confirm."""
    target = ConditionView("True", "DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint")
    return running(deleting=True, conditions={"DisruptionTarget": target, "Ready": ConditionView("False")})


WAITING = [
    (unschedulable(), "Unschedulable", ["Insufficient nvidia.com/gpu", "spec.resources"], "Queued"),
    (waiting("ErrImagePull", "no such image"), "ImagePullFailed", ["no such image", "podTemplate.image"], "Pending"),
    (waiting("ImagePullBackOff", "Back-off pulling"), "ImagePullFailed", ["imagePullSecrets"], "Pending"),
    (
        waiting("CreateContainerConfigError", 'secret "hf" not found'),
        "ContainerCreateFailed",
        ['secret "hf" not found', "spec.podTemplate"],
        "Pending",
    ),
    (waiting("ContainerCreating"), "WaitingForPod", ["node-1"], "Pending"),
    (pod(), "WaitingForPod", ["scheduler"], "Pending"),
]


def test_a_pod_that_ended_well_is_not_about_to_be_replaced() -> None:
    """The pod's end is known a moment before the Job's."""
    status = status_of(reconciled(observed(jobs=(job(),), pods=(succeeded(),))))
    assert status.phase == "Running"
    assert "has ended well" in message(status, "Running")


@pytest.mark.parametrize(("waits", "reason", "words", "phase"), WAITING)
def test_a_pod_that_waits_says_why_and_what_to_do(waits: PodView, reason: str, words: list[str], phase: str) -> None:
    status = status_of(reconciled(observed(jobs=(job(),), pods=(waits,))))
    assert conditions(status)["Queued"] == ("True", reason)
    assert conditions(status)["Running"] == ("False", "NotStarted")
    assert conditions(status)["Succeeded"] == ("Unknown", "InProgress")
    assert status.phase == phase
    for word in words:
        assert word in message(status, "Queued")


def test_a_volume_that_cannot_be_mounted_is_told_from_the_nodes_warning() -> None:
    stuck = waiting("ContainerCreating")
    warning = Warned(stuck.uid, "FailedMount", 'MountVolume.SetUp failed for volume "claim-0": no such device', NOW)
    status = status_of(reconciled(observed(jobs=(job(),), pods=(stuck,), warnings=(warning,))))
    assert conditions(status)["Queued"] == ("True", "ContainerCreateFailed")
    assert "no such device" in message(status, "Queued")


S3 = {"bucket": "results", "secretRef": {"name": "store"}}
OCI = {"repository": "registry.example.com/a/b", "secretRef": {"name": "push"}}
MLFLOW = {"trackingUri": "http://mlflow.svc:5000", "secretRef": {"name": "store"}}
AT_S3 = "spec.output.s3.secretRef names Secret store, which must be in this namespace with the keys AWS_ACCESS_KEY_ID"
AT_OCI = "spec.output.oci.secretRef names Secret push, which must be in this namespace with the key .dockerconfigjson."


@pytest.mark.parametrize(
    ("said", "mends"),
    [
        ('secret "store" not found', [AT_S3, "spec.tracking.mlflow.secretRef names Secret store"]),
        ("couldn't find key AWS_SECRET_ACCESS_KEY in Secret team/store", [AT_S3]),
        ('MountVolume.SetUp failed for volume "secret-registry" : secret "push" not found', [AT_OCI]),
        (
            'MountVolume.SetUp failed for volume "secret-registry" : references non-existent secret key: .docker',
            [AT_OCI],
        ),
        ('secret "store-2" not found', []),
    ],
)
def test_a_secret_that_is_missing_is_told_with_the_field_that_names_it(said: str, mends: list[str]) -> None:
    vft = resource(output={"s3": S3, "oci": OCI}, tracking={"mlflow": MLFLOW})
    by_volume = said.startswith("MountVolume")
    pod = waiting("ContainerCreating") if by_volume else waiting("CreateContainerConfigError", said)
    warnings = (Warned(pod.uid, "FailedMount", said, NOW),) if by_volume else ()
    told = message(status_of(reconciled(observed(vft, jobs=(job(vft),), pods=(pod,), warnings=warnings))), "Queued")
    assert said in told
    assert all(mend in told for mend in mends), told
    assert ("secretRef" in told) == bool(mends)


def test_a_pod_that_a_quota_forbids_is_told_from_the_jobs_warning() -> None:
    warning = Warned("uid-job-1", "FailedCreate", 'pods "x" is forbidden: exceeded quota: gpus', NOW)
    status = status_of(reconciled(observed(jobs=(job(),), warnings=(warning,))))
    assert conditions(status)["Queued"] == ("True", "CreationRefused")
    assert "exceeded quota: gpus" in message(status, "Queued")


def test_a_quota_of_yesterday_is_not_told_again() -> None:
    warning = Warned("uid-job-1", "FailedCreate", "exceeded quota", ago(60))
    status = status_of(reconciled(observed(jobs=(job(),), pods=(failed(1),), warnings=(warning,))))
    assert conditions(status)["Queued"] == ("True", "WaitingForPod")


def test_warnings_are_asked_for_only_when_they_can_tell_something() -> None:
    assert reconciled(observed(jobs=(job(),), warnings=None)).ask
    assert reconciled(observed(jobs=(job(),), pods=(waiting("ContainerCreating"),), warnings=None)).ask
    assert not reconciled(observed(jobs=(job(),), pods=(pod(),), warnings=None)).ask
    assert not reconciled(observed(jobs=(job(),), pods=(running(),), warnings=None)).ask
    assert not reconciled(observed(jobs=(ended(),), pods=(succeeded(),), warnings=None)).ask


def test_a_job_that_the_api_server_refuses_is_a_condition_and_is_tried_again() -> None:
    plan = reconciled(observed(refusal=Refusal("Job", 403, "exceeded quota: count/jobs.batch=0")))
    status = status_of(plan)
    assert conditions(status)["Queued"] == ("True", "CreationRefused")
    assert "exceeded quota: count/jobs.batch=0" in message(status, "Queued")
    assert plan.before == ()
    assert plan.again_after == 30


def test_a_running_pod_is_training_and_the_stage_is_named() -> None:
    status = status_of(reconciled(observed(jobs=(job(),), pods=(running(),), report=report(stage="baseline"))))
    assert conditions(status)["Running"] == ("True", "Training")
    assert conditions(status)["Queued"] == ("False", "Started")
    assert "baseline" in message(status, "Running")
    assert status.phase == "Running"
    assert status.start_time == ago(5)
    assert status.job_ref is not None
    assert status.job_ref.uid == "uid-job-1"


@pytest.mark.parametrize("silent", [lost(), evicting()])
def test_a_silent_node_makes_running_unknown_and_says_what_to_do(silent: PodView) -> None:
    status = status_of(reconciled(observed(jobs=(job(),), pods=(silent,))))
    assert conditions(status)["Running"] == ("Unknown", "NodeLost")
    assert "kubectl delete node node-1" in message(status, "Running")
    assert status.phase == "Running"


FAILURES = [
    (failed(137), "Killed", 137, "resources.memory"),
    (failed(137, reason="OOMKilled"), "OutOfMemory", 137, "spec.resources.memory"),
    (failed(1), "TrainerError", 1, "log"),
    (failed(14), "StorageFailed", 14, "claims"),
    (failed(77), "TrainerError", 77, "log"),
    (failed(143, disruption="EvictionByEvictionAPI"), "Evicted", 143, "resumes from its last checkpoint"),
    (failed(137, disruption="DeletionByTaintManager"), "NodeLost", 137, "resumes from its last checkpoint"),
    (pod(phase="Failed", reason="UnexpectedAdmissionError", message="no device"), "TrainerError", None, "no device"),
    (
        pod(phase="Failed", reason="Evicted", message='Usage of EmptyDir volume "workspace" exceeds the limit "1Gi". '),
        "StorageFailed",
        None,
        'exceeds the limit "1Gi". Raise spec.podTemplate.workspaceSizeLimit',
    ),
]


@pytest.mark.parametrize(("gone", "reason", "code", "words"), FAILURES)
def test_a_failed_pod_that_is_replaced_is_told_and_kept(
    gone: PodView, reason: str, code: int | None, words: str
) -> None:
    status = status_of(reconciled(observed(jobs=(job(),), pods=(gone,))))
    assert conditions(status)["Running"] == ("False", "PodFailed")
    assert conditions(status)["Succeeded"] == ("Unknown", "InProgress")
    assert status.last_failure is not None
    assert status.last_failure.reason == reason
    assert status.last_failure.exit_code == code
    assert words in (status.last_failure.message or "")

    later = observed(status=status, jobs=(job(),), pods=(gone, running(2)))
    status = status_of(reconciled(later))
    assert conditions(status)["Running"] == ("True", "Training")
    assert status.last_failure is not None
    assert status.last_failure.reason == reason


def test_the_failure_of_a_pod_that_is_gone_is_not_overtaken_by_an_older_one() -> None:
    first = failed(1, number=1)
    second = failed(14, number=2)
    second = replace(second, terminated=replace(second.terminated, finished_at=NOW))
    status = status_of(reconciled(observed(jobs=(job(),), pods=(first, second))))
    status = status_of(reconciled(observed(status=status, jobs=(job(),), pods=(first, running(3)))))
    assert status.last_failure is not None
    assert status.last_failure.exit_code == 14


def test_the_stage_outlives_a_restart_of_the_operator_but_not_of_the_pod() -> None:
    told = report(stage="train", progress=Progress(percent=10))
    o = observed(jobs=(job(),), pods=(running(),), report=told)
    status = status_of(reconciled(o))
    restarted = reconciled(replace(o, status=status, report=None))
    assert restarted.status is None
    replaced = reconciled(replace(o, status=status, pods=(failed(1), running(2))))
    assert "stage" not in message(status_of(replaced), "Running")


def test_a_pod_that_ended_as_it_was_told_has_not_failed() -> None:
    vft = resource(runPolicy={"suspend": True})
    ending = failed(143, deleting=True)
    status = status_of(reconciled(observed(vft, jobs=(job(vft, suspended=True),), pods=(ending,))))
    assert status.last_failure is None


def test_the_last_failure_outlives_its_pod() -> None:
    status = status_of(reconciled(observed(jobs=(job(),), pods=(failed(1),))))
    status = status_of(reconciled(observed(status=status, jobs=(job(),), pods=(running(2),))))
    assert status.last_failure is not None
    assert status.last_failure.exit_code == 1


FINAL_FAILURES = [
    ("PodFailurePolicy", failed(10), "BadConfig", "Trying again would not help"),
    ("PodFailurePolicy", failed(11), "BadDataset", "Trying again would not help"),
    ("PodFailurePolicy", failed(12), "BadModel", "Trying again would not help"),
    ("PodFailurePolicy", failed(13), "OutOfMemory", "batchSize"),
    ("BackoffLimitExceeded", failed(1), "TrainerError", "backoffLimit (3)"),
    ("BackoffLimitExceeded", failed(137, reason="OOMKilled"), "OutOfMemory", "spec.resources.memory"),
    ("BackoffLimitExceeded", failed(137), "Killed", "137"),
    ("BackoffLimitExceeded", failed(14), "StorageFailed", "claims"),
    ("BackoffLimitExceeded", None, "BackoffLimitExceeded", "said by the Job controller"),
    ("DeadlineExceeded", None, "DeadlineExceeded", "activeDeadline"),
]


@pytest.mark.parametrize(("reason", "gone", "verdict", "words"), FINAL_FAILURES)
def test_a_failed_job_ends_the_run_with_its_reason(reason: str, gone: PodView | None, verdict: str, words: str) -> None:
    pods = () if gone is None else (gone,)
    status = status_of(reconciled(observed(jobs=(ended(condition="Failed", reason=reason),), pods=pods)))
    assert conditions(status)["Succeeded"] == ("False", verdict)
    assert conditions(status)["Running"] == ("False", "Finished")
    assert words in message(status, "Succeeded")
    assert status.phase == "Failed"
    assert status.completion_time == ago(1)


def test_the_trainers_own_sentence_is_what_the_user_reads() -> None:
    text = "data/train.jsonl, row 17: image cat.png does not exist. Add it or remove the row."
    gone = failed(11, message=told(None, 11, "BadDataset", text))
    status = status_of(reconciled(observed(jobs=(ended(condition="Failed", reason="PodFailurePolicy"),), pods=(gone,))))
    assert message(status, "Succeeded").startswith(text)


def test_met_gates_succeed_and_show_before_and_after() -> None:
    status = status_of(reconciled(observed(jobs=(ended(),), pods=(succeeded(told(GOOD)),))))
    assert conditions(status)["Succeeded"] == ("True", "GatesPassed")
    assert "cer 0.041 (meets cer <= 0.05)" in message(status, "Succeeded")
    assert "cer 0.71 -> 0.041" in message(status, "Succeeded")
    assert status.phase == "Succeeded"
    assert status.evaluation is not None
    assert status.evaluation.delta == {"cer": "-0.669"}


def test_missed_gates_fail_the_run_but_not_the_job() -> None:
    status = status_of(reconciled(observed(jobs=(ended(),), pods=(succeeded(told(BAD)),))))
    assert conditions(status)["Succeeded"] == ("False", "GateNotMet")
    assert "cer 0.09 (misses cer <= 0.05)" in message(status, "Succeeded")
    assert status.phase == "Failed"


SENTENCE = "Tuning lowered the character error rate from 0.71 to 0.04 on 200 rows"
WHOLE = GOOD.model_copy(
    update={
        "verdict": "Passed",
        "conclusion": "Better",
        "summary": f"{SENTENCE}; every gate holds.",
        "intervals": Intervals(delta={"cer": MetricInterval(low="-0.70", high="-0.6")}),
    }
)


def test_the_verdicts_sentence_is_what_condition_and_status_say() -> None:
    status = status_of(reconciled(observed(jobs=(ended(),), pods=(succeeded(told(WHOLE)),))))
    assert message(status, "Succeeded") == f"All gates are met: cer 0.041 (meets cer <= 0.05). {SENTENCE}."
    assert status.evaluation is not None
    assert status.evaluation.summary == f"{SENTENCE}; every gate holds."
    assert (status.evaluation.conclusion, status.evaluation.display) == ("Better", "cer 0.71 -> 0.04")


def test_other_gates_change_the_verdict_and_its_sentence_and_train_nothing() -> None:
    done = status_of(reconciled(observed(jobs=(ended(),), pods=(succeeded(told(WHOLE)),))))
    strict = resource(2, evaluation={"gates": ["cer <= 0.01"]})
    status = status_of(reconciled(observed(strict, status=done)))
    assert conditions(status)["Succeeded"] == ("False", "GateNotMet")
    assert conditions(status)["ArtifactReady"] == conditions(done)["ArtifactReady"]
    assert status.evaluation is not None
    missed = "cer is 0.041, the gate is cer <= 0.01"
    assert (status.evaluation.verdict, status.evaluation.summary) == (
        "Failed",
        f"{SENTENCE}; a gate is not met: {missed}.",
    )
    assert status.history[0].evaluation is not None
    assert status.history[0].evaluation.summary == status.evaluation.summary
    none = status_of(reconciled(observed(resource(3, evaluation={"gates": []}), status=status)))
    assert none.evaluation is not None
    assert (none.evaluation.verdict, none.evaluation.summary) == ("NoGates", f"{SENTENCE}.")


@pytest.mark.parametrize(
    ("high", "reason", "words"),
    [
        ("-0.0001", "GatesPassed", "cer changed by -0.70 to -0.0001 with 95 % confidence (meets cer < baseline)"),
        ("0.0000", "GateNotMet", "cer changed by -0.70 to 0.0000 with 95 % confidence (misses cer < baseline)"),
    ],
)
def test_a_gate_against_the_base_model_is_judged_by_the_interval(high: str, reason: str, words: str) -> None:
    vft = resource(evaluation={"gates": ["cer < baseline"]})
    delta = Intervals(delta={"cer": MetricInterval(low="-0.70", high=high)})
    found = told(GOOD.model_copy(update={"intervals": delta}))
    status = status_of(reconciled(observed(vft, jobs=(ended(vft),), pods=(succeeded(found),))))
    assert conditions(status)["Succeeded"][1] == reason
    assert words in message(status, "Succeeded")


@pytest.mark.parametrize(("verdict", "reason"), [("Passed", "GatesPassed"), ("Failed", "GateNotMet")])
def test_without_an_interval_the_trainers_verdict_stands(verdict: Verdict, reason: str) -> None:
    vft = resource(evaluation={"gates": ["cer < baseline"]})
    found = told(GOOD.model_copy(update={"verdict": verdict}))
    status = status_of(reconciled(observed(vft, jobs=(ended(vft),), pods=(succeeded(found),))))
    assert conditions(status)["Succeeded"][1] == reason
    assert "cer 0.041, no interval of its change" in message(status, "Succeeded")


def test_what_a_message_had_no_room_for_comes_from_the_reports() -> None:
    """As `encode` cuts: the first metric, no intervals, no places."""
    artifact = Artifact(kind="adapter", uri=f"pvc://out/{'x' * 300}", digest=f"sha256:{'0' * 64}")
    full = WHOLE.model_copy(update={"tuned": {"cer": "0.041", "wer": "0.2"}, "warnings": [FORGOTTEN]})
    cut = TerminationMessage(
        exit_code=0,
        reason="GatesPassed",
        evaluation=Evaluation(tuned={"cer": "0.041"}, verdict="Passed"),
        artifacts=[artifact.model_copy(update={"uri": "pvc://out/xxxx…"})],
    )
    said = report(evaluation=full, artifacts=(artifact,))
    status = status_of(reconciled(observed(jobs=(ended(),), pods=(succeeded(encode(cut).decode()),), report=said)))
    assert status.evaluation is not None
    assert status.evaluation.tuned == {"cer": "0.041", "wer": "0.2"}
    assert (status.evaluation.intervals, status.evaluation.warnings) == (WHOLE.intervals, [FORGOTTEN])
    assert status.artifacts == [artifact]
    assert conditions(status)["ArtifactReady"][0] == "True"


def test_the_first_metric_is_shown_as_far_as_it_is_known() -> None:
    vft = resource(evaluation={"metrics": ["wer", "cer"], "gates": []})
    before = report(evaluation=Evaluation(baseline={"cer": "0.7100", "wer": "0.0041"}))
    status = status_of(reconciled(observed(vft, jobs=(job(vft),), pods=(running(),), report=before)))
    assert status.evaluation is not None
    assert status.evaluation.display == "wer 0.0041"


def test_the_history_keeps_an_evaluation_in_short() -> None:
    status = status_of(reconciled(observed(jobs=(ended(),), pods=(succeeded(told(WHOLE)),))))
    assert status.history[0].evaluation is not None
    assert set(status.history[0].evaluation.to_json()) == {
        *("baseline", "tuned", "delta", "verdict", "samples", "conclusion", "summary", "display")
    }


def test_without_a_claim_nothing_promises_a_checkpoint() -> None:
    scratch = resource(output={"pvc": None, "s3": {"bucket": "results"}})
    gone = failed(143, disruption="EvictionByEvictionAPI")
    replaced = status_of(reconciled(observed(scratch, jobs=(job(scratch),), pods=(gone,))))
    assert "begins anew, because without spec.output.pvc" in message(replaced, "Running")
    held = resource(output={"pvc": None, "s3": {"bucket": "results"}}, runPolicy={"suspend": True})
    suspended = status_of(reconciled(observed(held, jobs=(job(held, suspended=True),))))
    assert "begins anew" in message(suspended, "Suspended")
    late = ended(scratch, condition="Failed", reason="DeadlineExceeded")
    assert "checkpoint" not in message(status_of(reconciled(observed(scratch, jobs=(late,)))), "Succeeded")


def test_without_gates_a_finished_run_is_completed() -> None:
    vft = resource(evaluation={"gates": []})
    status = status_of(reconciled(observed(vft, jobs=(ended(vft),), pods=(succeeded(told(GOOD)),))))
    assert conditions(status)["Succeeded"] == ("True", "Completed")


def test_a_result_that_only_a_report_has_still_counts() -> None:
    late = observed(jobs=(ended(),), pods=(succeeded("not ours"),), report=report(evaluation=GOOD))
    assert conditions(status_of(reconciled(late)))["Succeeded"] == ("True", "GatesPassed")


def test_a_result_that_nobody_has_is_missing() -> None:
    status = status_of(reconciled(observed(jobs=(ended(),), pods=(succeeded(),))))
    assert conditions(status)["Succeeded"] == ("False", "ResultMissing")
    assert "VISIONFT_TERMINATION_LOG" in message(status, "Succeeded")


def test_only_what_no_event_announces_is_looked_at_again() -> None:
    assert reconciled(observed(jobs=(job(),), pods=(unschedulable(),))).again_after is None
    assert reconciled(observed(jobs=(job(),), pods=(running(),))).again_after is None
    assert reconciled(observed(jobs=(job(),), pods=(waiting("ContainerCreating"),))).again_after == 5


def test_a_run_that_never_starts_in_time_ends() -> None:
    vft = resource(runPolicy={"pendingDeadline": "1m"})
    early = reconciled(observed(vft, jobs=(job(vft, created=ago(40)),), pods=(unschedulable(),)))
    assert conditions(status_of(early))["Succeeded"] == ("Unknown", "InProgress")
    assert early.again_after is not None
    assert early.again_after <= 20

    status = status_of(reconciled(observed(vft, jobs=(job(vft, created=ago(61)),), pods=(unschedulable(),))))
    assert conditions(status)["Succeeded"] == ("False", "PendingDeadlineExceeded")
    assert "Insufficient nvidia.com/gpu" in message(status, "Succeeded")
    assert status.phase == "Failed"


def test_a_run_that_has_started_has_no_pending_deadline_any_more() -> None:
    vft = resource(runPolicy={"pendingDeadline": "1m"})
    once = status_of(reconciled(observed(vft, jobs=(job(vft, created=ago(61)),), pods=(running(),))))
    again = observed(vft, status=once, jobs=(job(vft, created=ago(61)),), pods=(failed(1), pod(2)))
    assert conditions(status_of(reconciled(again)))["Succeeded"] == ("Unknown", "InProgress")


def test_the_pending_deadline_counts_from_the_resumption() -> None:
    vft = resource(runPolicy={"pendingDeadline": "1m"})
    resumed = {"Suspended": ConditionView("False", "JobResumed", "", ago(30))}
    o = observed(vft, jobs=(job(vft, created=ago(3600), conditions=resumed),), pods=(unschedulable(),))
    assert conditions(status_of(reconciled(o)))["Succeeded"] == ("Unknown", "InProgress")


def test_suspended_before_the_start_there_is_no_job() -> None:
    vft = resource(runPolicy={"suspend": True})
    plan = reconciled(observed(vft))
    assert plan.before == ()
    assert conditions(status_of(plan))["Suspended"] == ("True", "SuspendedByUser")
    assert status_of(plan).phase == "Suspended"


def test_suspended_on_the_way_the_progress_stays() -> None:
    vft = resource(runPolicy={"suspend": True})
    known = Progress(percent=40, display="40%", stage="train")
    before = VisionFineTuneStatus(run=1, progress=known, resolved=Resolved(spec_hash=spec_hash(vft.spec)))
    o = observed(vft, status=before, jobs=(job(vft, suspended=True),))
    status = status_of(reconciled(o))
    assert conditions(status)["Suspended"] == ("True", "SuspendedByUser")
    assert conditions(status)["Running"] == ("False", "Suspended")
    assert status.progress is not None
    assert status.progress.percent == 40


def test_a_field_that_nothing_honours_is_refused_by_name() -> None:
    vft = resource(queue={"name": "gpus"}, profileRef={"name": "large"})
    plan = reconciled(observed(vft))
    status = status_of(plan)
    assert conditions(status)["Accepted"] == ("False", "NotSupported")
    assert "spec.queue" in message(status, "Accepted")
    assert "spec.profileRef" in message(status, "Accepted")
    assert plan.before == ()
    assert status.phase == "Refused"


def test_a_spec_that_cannot_be_read_is_refused_with_its_problems() -> None:
    o = replace(observed(), resource=None, problems=("spec.adapter.rank: Invalid value: 0: must be at least 1",))
    status = status_of(reconcile(o))
    assert conditions(status)["Accepted"] == ("False", "Invalid")
    assert conditions(status)["Succeeded"] == ("False", "SpecInvalid")
    assert "spec.adapter.rank" in message(status, "Accepted")


def test_a_missing_claim_is_named_looked_for_again_and_recovers() -> None:
    plan = reconciled(observed(missing_claims=("data",)))
    status = status_of(plan)
    assert conditions(status)["Accepted"] == ("False", "ClaimNotFound")
    assert "data" in message(status, "Accepted")
    assert plan.again_after == 10
    assert reconciled(observed(status=status)).before != ()


def test_messages_fit_into_a_condition_whatever_the_scheduler_says() -> None:
    said = ConditionView("False", "Unschedulable", "0/5000 nodes are available: " + "x" * 10_000)
    status = status_of(reconciled(observed(jobs=(job(),), pods=(pod(conditions={"PodScheduled": said}),))))
    assert len(message(status, "Queued")) <= 4096


def test_a_transition_time_moves_with_the_status_only() -> None:
    first = status_of(reconciled(observed(jobs=(job(),), pods=(pod(),))))
    later = NOW + timedelta(seconds=60)
    second = status_of(reconciled(observed(status=first, jobs=(job(),), pods=(unschedulable(),), now=later)))
    third = status_of(reconciled(observed(status=second, jobs=(job(),), pods=(running(),), now=later)))
    times = [next(c.last_transition_time for c in s.conditions if c.type == "Queued") for s in (first, second, third)]
    assert times == [NOW, NOW, later]


def test_what_a_trainer_noted_last_is_told_while_it_runs() -> None:
    vft = resource()
    noted = report(notes=("It was slow.", "Memory was out: 2 samples at a time."))
    status = status_of(reconciled(observed(vft, jobs=(job(vft),), pods=(running(),), report=noted)))
    assert message(status, "Running").endswith("runs on node node-1, stage train. Memory was out: 2 samples at a time.")
