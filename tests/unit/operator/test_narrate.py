"""The story that `kubectl describe vft` tells: each transition once, in order."""

from __future__ import annotations

from dataclasses import replace

from support.observed import (
    NOW,
    ended,
    failed,
    job,
    message,
    observed,
    pod,
    report,
    resource,
    running,
    status_of,
    succeeded,
    with_config,
)
from visionft_api.status import DataSummary, DataWarning, Evaluation, EvaluationWarning
from visionft_api.termination import TerminationMessage, encode
from visionft_operator.events import build_event
from visionft_operator.reconcile import reconcile
from visionft_operator.reconcile.observed import Observed
from visionft_operator.reconcile.plan import Note
from visionft_operator.reconcile.views import ConditionView

REFERENCE = {"apiVersion": "visionft.dev/v1alpha1", "kind": "VisionFineTune", "namespace": "team", "name": "digits"}


def tell(o: Observed, **changes: object) -> tuple[Observed, list[str]]:
    """Observe a change; return what is observed next, and the reasons of the events."""
    o = with_config(replace(o, **changes))
    plan = reconcile(o)
    status = o.status if plan.status is None else status_of(plan)
    return replace(o, status=status), [note.reason for note in plan.notes]


def test_the_story_of_a_run_that_is_evicted_once() -> None:
    unschedulable = pod(conditions={"PodScheduled": ConditionView("False", "Unschedulable", "no GPU")})
    o, told = tell(observed(), jobs=(job(),))
    assert told == ["Accepted", "JobCreated"]
    o, told = tell(o, pods=(unschedulable,))
    assert told == ["PodUnschedulable"]
    o, told = tell(o, pods=(unschedulable,))
    assert told == []
    o, told = tell(o, pods=(running(),))
    assert told == ["TrainingStarted"]
    o, told = tell(o, report=report(evaluation=Evaluation(baseline={"cer": "0.71"})))
    assert told == ["BaselineMeasured"]
    gone = failed(143, disruption="EvictionByEvictionAPI")
    o, told = tell(o, pods=(gone,))
    assert told == ["PodReplaced"]
    o, told = tell(o, pods=(gone, running(2)))
    assert told == ["TrainingResumed"]
    done = succeeded(
        encode(TerminationMessage(exit_code=0, reason="x", evaluation=Evaluation(tuned={"cer": "0.01"}))).decode(), 2
    )
    o, told = tell(o, jobs=(ended(),), pods=(gone, done))
    assert told == ["GatesPassed"]
    o, told = tell(o, jobs=(), pods=())
    assert told == []
    o, told = tell(o, resource=resource(2, training={"seed": 7}), jobs=(job(resource(training={"seed": 7}), run=2),))
    assert told == ["SpecChanged", "JobCreated"]


def test_suspension_and_resumption_are_told() -> None:
    held = resource(2, runPolicy={"suspend": True})
    o, _ = tell(observed(), jobs=(job(),), pods=(running(),))
    o, told = tell(o, resource=held, jobs=(job(suspended=True),), pods=())
    assert told == ["Suspended"]
    o, told = tell(o, resource=resource(3), jobs=(job(),), pods=(pod(2),))
    assert told == ["Resumed"]


def test_a_refusal_and_a_failure_are_warnings_with_their_reason() -> None:
    _, told = tell(observed(resource(queue={"name": "q"})))
    assert told == ["Refused"]
    plan = reconcile(observed(jobs=(ended(condition="Failed", reason="PodFailurePolicy"),), pods=(failed(11),)))
    last = plan.notes[-1]
    assert (last.type, last.reason) == ("Warning", "Failed")
    assert last.message.startswith("BadDataset: ")


def test_a_failure_that_ends_the_run_does_not_promise_a_replacement() -> None:
    """The pod's end is seen a moment before the Job's."""
    for last in (failed(11), failed(1)):
        vft = resource(runPolicy={"backoffLimit": 0})
        o, _ = tell(observed(vft), jobs=(job(vft),), pods=(running(),))
        o, told = tell(o, pods=(last,))
        assert told == []
        assert "replacement" not in message(o.status, "Running")
        _, told = tell(o, jobs=(ended(vft, condition="Failed", reason="BackoffLimitExceeded"),))
        assert told == ["Failed"]


def test_a_job_that_was_deleted_by_hand_is_told_when_it_is_back() -> None:
    o, _ = tell(observed(), jobs=(job(),), pods=(running(),))
    _, told = tell(o, jobs=(job(uid="uid-another"),), pods=())
    assert told == ["JobRecreated"]


def test_the_same_transition_has_the_same_name_and_another_has_another() -> None:
    def name(note: Note, uid: str = "1") -> str:
        return str(build_event(note, {**REFERENCE, "uid": uid}, NOW)["metadata"]["name"])

    note = Note("Normal", "TrainingStarted", "one text", 1)
    assert name(note) == name(replace(note, message="another text"))
    assert len({name(note), name(replace(note, run=2)), name(replace(note, once_per="x")), name(note, "2")}) == 4


def test_within_a_second_events_stand_in_the_order_of_a_run() -> None:
    """kubectl sorts those of one second by name."""
    told = ["Accepted", "CheckStarted", "CheckPassed", "JobCreated", "TrainingStarted", "BaselineMeasured"]
    told += ["DuplicateRows", "GatesPassed"]
    names = [str(build_event(Note("Normal", r, ""), {**REFERENCE, "uid": "1"}, NOW)["metadata"]["name"]) for r in told]
    assert names == sorted(names)


def test_a_finding_is_told_once_a_run_and_each_kind_once() -> None:
    duplicates = DataWarning(reason="DuplicateRows", message="2 training rows repeat an earlier row.")
    more = DataWarning(reason="DuplicateRows", message="1 validation row repeats an earlier row.")
    dark = DataWarning(reason="DarkImages", message="Half of the pictures are dark.")
    o, told = tell(
        observed(), jobs=(job(),), pods=(running(),), report=report(data=DataSummary(warnings=[duplicates, more]))
    )
    assert told == ["Accepted", "DuplicateRows", "JobCreated", "TrainingStarted"]
    _, told = tell(o, report=report(data=DataSummary(warnings=[duplicates, dark])))
    assert told == ["DarkImages"]


def test_what_judging_warns_of_is_told_once_a_run_as_a_warning() -> None:
    reliance = EvaluationWarning(reason="VisionReliance", message="It answers from the question alone.")
    forgotten = EvaluationWarning(reason="Forgetting", message="Worse on the general rows.")
    tuned = Evaluation(tuned={"cer": "0.01"}, warnings=[reliance, forgotten])
    o, told = tell(observed(), jobs=(job(),), pods=(running(),), report=report(evaluation=tuned))
    assert told == ["Accepted", "VisionReliance", "Forgetting", "JobCreated", "TrainingStarted"]
    done = succeeded(encode(TerminationMessage(exit_code=0, reason="x", evaluation=tuned)).decode())
    plan = reconcile(with_config(replace(o, jobs=(ended(),), pods=(done,))))
    assert [(note.type, note.reason) for note in plan.notes] == [("Normal", "GatesPassed")]
    fresh = reconcile(with_config(replace(observed(), jobs=(ended(),), pods=(done,))))
    warned = {note.reason: (note.type, note.message) for note in fresh.notes}
    assert warned["Forgetting"] == ("Warning", "Worse on the general rows.")


def test_a_long_message_fits_into_an_event() -> None:
    event = build_event(Note("Normal", "Failed", "x" * 5000), {**REFERENCE, "uid": "1"}, NOW)
    assert len(event["message"]) <= 1024
