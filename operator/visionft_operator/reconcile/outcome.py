"""How a finished Job ended, and what it left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation

from visionft_api.conditions import ConditionType, Reason, find_condition
from visionft_api.spec import VisionFineTuneSpec
from visionft_api.status import (
    Artifact,
    DataSummary,
    Estimate,
    Evaluation,
    Resolved,
    Verdict,
    VisionFineTuneStatus,
)
from visionft_api.termination import decode, whole_again
from visionft_api.verdict_text import with_gates, without_gates

from visionft_operator.merging import deeply_over
from visionft_operator.reconcile.conditions import NOTHING_WRITTEN, Said, Sayings
from visionft_operator.reconcile.diagnosis import Failure
from visionft_operator.reconcile.held import hold
from visionft_operator.reconcile.views import JobView, PodView

VERDICTS: dict[Reason, Verdict] = {
    Reason.GATES_PASSED: "Passed",
    Reason.GATE_NOT_MET: "Failed",
    Reason.COMPLETED: "NoGates",
}
RERUN = "Then start a new run by setting spec.runPolicy.rerun to a new text."


@dataclass(frozen=True)
class Result:
    """What a run left, as far as anybody has told."""

    evaluation: Evaluation | None = None
    artifacts: tuple[Artifact, ...] = ()
    resolved: Resolved | None = None
    data: DataSummary | None = None
    estimate: Estimate | None = None


@dataclass(frozen=True)
class Outcome:
    """The end of a run: what condition Succeeded says, and the result."""

    succeeded: Said
    result: Result
    ended: datetime | None

    def sayings(self, run: int) -> Sayings:
        """What every condition of the run says from now on."""
        return {
            ConditionType.QUEUED: Said("False", Reason.FINISHED, f"Run {run} is over."),
            ConditionType.RUNNING: Said("False", Reason.FINISHED, f"Run {run} is over."),
            ConditionType.SUSPENDED: Said("False", Reason.NOT_SUSPENDED, f"Run {run} is over."),
            ConditionType.ARTIFACT_READY: _artifacts_said(self.result.artifacts),
            ConditionType.SUCCEEDED: self.succeeded,
        }


def outcome_of(
    spec: VisionFineTuneSpec, job: JobView, pods: Sequence[PodView], failure: Failure | None, reported: Result
) -> Outcome:
    """Read the end of a finished Job. `reported` is what the pods told while they ran."""
    if job.is_true("Complete"):
        done = next((pod for pod in reversed(pods) if pod.phase == "Succeeded"), None)
        result, told = _result(done, reported)
        ended = done.terminated.finished_at if done and done.terminated else None
        said = _success(spec, job, result, told)
        if result.evaluation is not None and said.reason in VERDICTS:
            result = replace(result, evaluation=_with_verdict(spec, result.evaluation, said))
        return Outcome(said, result, ended or job.completion_time)
    failed = job.conditions["Failed"]
    result, _ = _result(_named(pods, failure), reported)
    return Outcome(_failed(spec, job, failure), result, failed.since)


def with_delta(evaluation: Evaluation | None) -> Evaluation | None:
    """Fill in tuned minus baseline where the trainer has not."""
    if evaluation is None or evaluation.delta or not evaluation.baseline or not evaluation.tuned:
        return evaluation
    delta: dict[str, str] = {}
    for metric in evaluation.tuned.keys() & evaluation.baseline.keys():
        try:
            delta[metric] = str(Decimal(evaluation.tuned[metric]) - Decimal(evaluation.baseline[metric]))
        except InvalidOperation:
            continue
    return evaluation.model_copy(update={"delta": delta}) if delta else evaluation


def _result(pod: PodView | None, reported: Result) -> tuple[Result, bool]:
    """The termination message first, then what was reported. Returns also whether either told anything."""
    message = decode(pod.terminated.message) if pod and pod.terminated and pod.terminated.message else None
    if message is None:
        return reported, bool(reported.artifacts or (reported.evaluation and reported.evaluation.tuned))
    merged = Result(
        # A message has room for little: what it lacks was reported.
        with_delta(deeply_over(reported.evaluation, message.evaluation)),
        whole_again(message.artifacts or (), reported.artifacts),
        message.resolved or reported.resolved,
        message.data or reported.data,
        message.estimate or reported.estimate,
    )
    return merged, True


def _success(spec: VisionFineTuneSpec, job: JobView, result: Result, told: bool) -> Said:
    tuned = result.evaluation.tuned if result.evaluation else None
    gates = spec.evaluation.gates
    if not told or (gates and not tuned):
        lacking = "what it measured, so the gates cannot be judged" if told else "its result"
        return Said(
            "False",
            Reason.RESULT_MISSING,
            f"Job {job.name} ended well but nobody was told {lacking}: neither a termination message nor a report "
            f"has it. Look at {_place(spec)}; with an image of your own in spec.podTemplate.image, have it write the "
            f"file that VISIONFT_TERMINATION_LOG names. {RERUN}",
        )
    return _judged(spec, result.evaluation)


def _judged(spec: VisionFineTuneSpec, evaluation: Evaluation | None) -> Said:
    """What the gates say of the measured values."""
    told = _told(evaluation)
    if not spec.evaluation.gates or evaluation is None or not evaluation.tuned:
        return Said("True", Reason.COMPLETED, f"The run is complete; no gates were set.{told}")
    held = hold(spec.evaluation.parsed_gates, evaluation)
    said = ", ".join(gate.said for gate in held)
    if all(gate.met for gate in held):
        return Said("True", Reason.GATES_PASSED, f"All gates are met: {said}.{told}")
    return Said(
        "False",
        Reason.GATE_NOT_MET,
        f"The tuned model misses a gate: {said}.{told} The artifacts are kept. Train longer or on more rows, "
        "which starts a new run, or relax spec.evaluation.gates, which judges this one anew.",
    )


def judge_again(spec: VisionFineTuneSpec, status: VisionFineTuneStatus) -> tuple[Said, Evaluation] | None:
    """Hold what a run has measured against the gates as they are now; None where nothing can be judged."""
    succeeded = find_condition(status.conditions, ConditionType.SUCCEEDED)
    evaluation = status.evaluation
    if succeeded is None or succeeded.reason not in VERDICTS or evaluation is None or not evaluation.tuned:
        return None
    said = _judged(spec, evaluation)
    return said, _with_verdict(spec, evaluation, said)


def _with_verdict(spec: VisionFineTuneSpec, evaluation: Evaluation, said: Said) -> Evaluation:
    """The verdict is the operator's: from the gates of the spec, whatever image has trained."""
    verdict, summary = VERDICTS[Reason(said.reason)], evaluation.summary
    if summary:
        missed = [gate.missed for gate in hold(spec.evaluation.parsed_gates, evaluation) if not gate.met]
        summary = without_gates(summary) if verdict == "NoGates" else with_gates(summary, missed)
    return evaluation.model_copy(update={"verdict": verdict, "summary": summary})


def _failed(spec: VisionFineTuneSpec, job: JobView, failure: Failure | None) -> Said:
    condition = job.conditions["Failed"]
    if condition.reason == "DeadlineExceeded":
        deadline = spec.run_policy.active_deadline
        return Said(
            "False",
            Reason.DEADLINE_EXCEEDED,
            f"The run took longer than spec.runPolicy.activeDeadline ({deadline}) and was stopped. {_kept(spec)}Raise "
            f"the deadline or train less. {RERUN}",
        )
    if failure is None or failure.disrupted:
        said = condition.message.rstrip(". ") or condition.reason
        reason = Reason.BACKOFF_LIMIT_EXCEEDED if condition.reason == "BackoffLimitExceeded" else Reason.TRAINER_ERROR
        return Said("False", reason, f"Job {job.name} failed: {said}. No failed pod is left to tell more. {RERUN}")
    if condition.reason == "BackoffLimitExceeded":
        tries = job.failed or spec.run_policy.backoff_limit + 1
        more = (
            f" It failed {tries} times; spec.runPolicy.backoffLimit ({spec.run_policy.backoff_limit}) allows no more."
        )
    else:
        more = " Trying again would not help, so the run has ended."
    return Said("False", failure.reason, f"{failure.message}{more}")


def _named(pods: Sequence[PodView], failure: Failure | None) -> PodView | None:
    return next((pod for pod in pods if failure is not None and pod.name == failure.pod_name), None)


def _artifacts_said(artifacts: Sequence[Artifact]) -> Said:
    if not artifacts:
        return NOTHING_WRITTEN
    return Said("True", Reason.WRITTEN, "; ".join(f"{artifact.kind} at {artifact.uri}" for artifact in artifacts) + ".")


def _told(evaluation: Evaluation | None) -> str:
    """The trainer's sentence; the values before and after tuning where it left none. With a space before it."""
    if evaluation is None or not evaluation.tuned:
        return ""
    if evaluation.summary:
        return f" {without_gates(evaluation.summary)}"
    before = evaluation.baseline or {}
    values = (f"{m} {before[m]} -> {v}" if m in before else f"{m} {v}" for m, v in sorted(evaluation.tuned.items()))
    rows = f" on {evaluation.samples} rows" if evaluation.samples else ""
    return f" {'Base model -> tuned' if before else 'Measured'}{rows}: {', '.join(values)}."


def _kept(spec: VisionFineTuneSpec) -> str:
    return "" if spec.output.pvc is None else f"Its last checkpoint is kept in {_place(spec)}. "


def _place(spec: VisionFineTuneSpec) -> str:
    pvc = spec.output.pvc
    return "the output's destination" if pvc is None else f"the output claim {pvc.claim_name}"
