"""The termination message: it always fits, and gives up first what is known elsewhere."""

import json
from typing import Any

import pytest
from visionft_api.metrics import METRICS
from visionft_api.status import (
    MAX_ARTIFACTS,
    MAX_EVALUATION_WARNINGS,
    MAX_SUMMARY,
    Artifact,
    DataSummary,
    DataWarning,
    Estimate,
    Evaluation,
    EvaluationWarning,
    GeneralEvaluation,
    Intervals,
    MetricInterval,
    PromptMetrics,
    Resolved,
    Stage,
    VisionEvaluation,
    WithoutPictures,
)
from visionft_api.termination import MAX_BYTES, TerminationMessage, decode, encode, whole_again

FEW = {"cer": "0.0500", "wer": "0.1000"}
ALL = dict.fromkeys(METRICS, "0.1234")
MANY = {f"metric-{i:02}-{'x' * 50}": "0.123456789" for i in range(32)}
EVALUATION = Evaluation(baseline={"cer": "0.71"}, tuned={"cer": "0.04"}, verdict="Passed")
ARTIFACTS = [Artifact(kind="adapter", uri="pvc://results/a/run-1/adapter", digest=f"sha256:{'0' * 64}", size=7)]


def intervals(metrics: dict[str, str]) -> dict[str, MetricInterval]:
    """An interval for each metric."""
    return {name: MetricInterval(low="-0.1234", high="0.1234") for name in metrics}


SMALL = TerminationMessage(
    run=2,
    exit_code=0,
    reason="GatesPassed",
    message="The run is complete and every gate holds.",
    stage=Stage.REPORT,
    detail="one line",
    evaluation=Evaluation(
        baseline=FEW,
        tuned=FEW,
        delta=FEW,
        verdict="Passed",
        samples=200,
        conclusion="Better",
        summary="Tuning lowered the character error rate; every gate holds.",
        display="cer 0.71 -> 0.05",
        intervals=Intervals(baseline=intervals(FEW), tuned=intervals(FEW), delta=intervals(FEW)),
        prompts=[PromptMetrics(name="prompt 1", metrics=FEW)],
        vision=VisionEvaluation(tuned=WithoutPictures(shuffled=FEW)),
        general=GeneralEvaluation(tuned=FEW),
        warnings=[EvaluationWarning(reason="Forgetting", message="Worse on the general rows.")],
    ),
    artifacts=ARTIFACTS,
    resolved=Resolved(spec_hash="ab"),
    data=DataSummary(digest=f"sha256:{'1' * 64}"),
    estimate=Estimate(gpu_memory="12Gi"),
)
"""Something of everything, in 2 kB."""


def measured(message: TerminationMessage, **changes: Any) -> TerminationMessage:
    """The message with another evaluation."""
    assert message.evaluation is not None
    return message.model_copy(update={"evaluation": message.evaluation.model_copy(update=changes)})


def has(message: TerminationMessage) -> set[str]:
    """What the message tells, by name."""
    found = {name for name, value in message.model_dump(exclude_none=True).items() if value}
    return found | {f"evaluation.{name}" for name in (message.evaluation or Evaluation()).to_json()}


def far(message: TerminationMessage, length: int, count: int = 1) -> TerminationMessage:
    """The message with artifacts in places of this length."""
    return message.model_copy(update={"artifacts": [ARTIFACTS[0].model_copy(update={"uri": "x" * length})] * count})


def padded(message: TerminationMessage) -> TerminationMessage:
    """The message with a text that makes it four bytes too long."""
    room = MAX_BYTES + 4 - len(message.model_dump_json(by_alias=True, exclude_none=True))
    return message.model_copy(update={"message": message.message + "x" * room})


WARNINGS = [EvaluationWarning(reason=f"R{i}", message="x" * 500) for i in range(MAX_EVALUATION_WARNINGS)]
DATA = DataSummary(warnings=[DataWarning(reason="Leakage", message="x" * 500)] * 8)
BLIND = WithoutPictures(shuffled=MANY, blank=MANY)
ASIDE = {"evaluation.vision", "evaluation.general", "evaluation.prompts"}
ORDER: list[tuple[str, TerminationMessage, set[str]]] = [
    ("data", SMALL.model_copy(update={"data": DATA}), {"data"}),
    ("detail", padded(SMALL.model_copy(update={"data": None})), {"detail"}),
    ("prompts", measured(SMALL, prompts=[PromptMetrics(name="p", metrics=ALL)] * 16), ASIDE),
    ("general", measured(SMALL, general=GeneralEvaluation(baseline=MANY, tuned=MANY)), set()),
    ("vision", measured(SMALL, vision=VisionEvaluation(baseline=BLIND)), set()),
    ("warnings", measured(SMALL, warnings=WARNINGS), {"evaluation.warnings"}),
    (
        "intervals of each",
        measured(SMALL, intervals=Intervals(baseline=intervals(MANY), tuned=intervals(MANY), delta=intervals(FEW))),
        set(),
    ),
    ("message", SMALL.model_copy(update={"message": "x" * 5000}), set()),
    (
        "resolved",
        far(SMALL.model_copy(update={"resolved": Resolved(image_digest="x" * 2000)}), 1900),
        {"resolved", "estimate"},
    ),
    (
        "change's intervals",
        far(measured(SMALL, intervals=Intervals(delta=intervals(MANY))), 1500),
        {"evaluation.intervals"},
    ),
    ("metrics but the first", measured(SMALL, tuned=FEW | MANY, delta=FEW | MANY), set()),
    ("summary", measured(SMALL, summary="\x01" * MAX_SUMMARY), {"evaluation.summary", "evaluation.display"}),
    ("places", far(SMALL, 700, count=6), set()),
]
"""What is too large, and what is gone for it besides what goes before."""


@pytest.mark.parametrize("position", range(len(ORDER)), ids=[name for name, _, _ in ORDER])
def test_one_thing_after_the_other_is_given_up(position: int) -> None:
    message = ORDER[position][1]
    encoded = encode(message)
    decoded = decode(encoded)
    assert decoded is not None
    assert len(encoded) <= MAX_BYTES
    gone = {thing for _, _, things in ORDER[: position + 1] for thing in things} & has(message)
    assert has(message) - has(decoded) == gone
    assert decoded.artifacts is not None
    assert decoded.artifacts[0].digest == ARTIFACTS[0].digest
    assert decoded.evaluation is not None
    assert (decoded.evaluation.verdict, decoded.evaluation.conclusion) == ("Passed", "Better")
    assert decoded.evaluation.tuned is not None
    assert decoded.evaluation.tuned["cer"] == "0.0500"


def test_what_fits_is_told_whole() -> None:
    assert decode(encode(SMALL)) == SMALL


def test_of_the_intervals_those_that_gates_are_judged_by_stay_longer() -> None:
    decoded = decode(
        encode(
            measured(SMALL, intervals=Intervals(baseline=intervals(MANY), tuned=intervals(MANY), delta=intervals(FEW)))
        )
    )
    assert decoded is not None
    assert decoded.evaluation is not None
    assert decoded.evaluation.intervals == Intervals(delta=intervals(FEW))


def test_of_the_metrics_the_first_stays() -> None:
    decoded = decode(encode(measured(SMALL, tuned=FEW | MANY, baseline=FEW, delta=FEW | MANY)))
    assert decoded is not None
    assert decoded.evaluation is not None
    first = {"cer": "0.0500"}
    assert (decoded.evaluation.baseline, decoded.evaluation.tuned, decoded.evaluation.delta) == (first, first, first)


def test_places_are_cut_no_shorter_than_they_must() -> None:
    decoded = decode(encode(far(SMALL, 700, count=6)))
    assert decoded is not None
    assert [artifact.uri for artifact in decoded.artifacts or ()] == ["x" * 255 + "…"] * 6


@pytest.mark.parametrize(("count", "left"), [(10, "\x00" * 7 + "…"), (16, None)])
def test_texts_that_take_six_bytes_a_character_fit_too(count: int, left: str | None) -> None:
    name = "\x00" * 64
    artifact = ARTIFACTS[0].model_copy(update={"uri": "\x00" * 2048, "size": 2**53 - 1})
    message = TerminationMessage(
        exit_code=0,
        reason="\x00" * 64,
        message="\x00" * 5000,
        evaluation=Evaluation(baseline={name: "0.5"}, tuned={name: "0.5"}, delta={name: "0.5"}, verdict="NoGates"),
        artifacts=[artifact] * count,
    )
    decoded = decode(encode(message))
    assert decoded is not None
    assert decoded.evaluation == message.evaluation
    assert (decoded.artifacts[0].uri if decoded.artifacts else None) == left


def test_with_everything_at_its_largest_verdict_first_metric_and_digests_stay() -> None:
    artifacts = [
        Artifact(kind="merged", uri=f"s3://b/{i}/" + "x" * 2000, digest=f"sha256:{i:064}", size=2**53 - 1)
        for i in range(MAX_ARTIFACTS)
    ]
    message = measured(
        SMALL.model_copy(update={"artifacts": artifacts, "message": "x" * 9000, "detail": "x" * 9000, "data": DATA}),
        baseline=FEW | MANY,
        tuned=FEW | MANY,
        delta=FEW | MANY,
        summary="x" * MAX_SUMMARY,
        intervals=Intervals(baseline=intervals(MANY), tuned=intervals(MANY), delta=intervals(MANY)),
        prompts=[PromptMetrics(name="p" * 253, metrics=MANY)] * 16,
        warnings=WARNINGS,
    )
    encoded = encode(message)
    assert len(encoded) <= MAX_BYTES
    decoded = decode(encoded)
    assert decoded is not None
    assert decoded.reason == "GatesPassed"
    assert decoded.evaluation is not None
    assert (decoded.evaluation.verdict, decoded.evaluation.conclusion) == ("Passed", "Better")
    assert decoded.evaluation.tuned == {"cer": "0.0500"}
    assert decoded.artifacts is not None
    assert [artifact.digest for artifact in decoded.artifacts] == [artifact.digest for artifact in artifacts]
    assert {len(artifact.uri) for artifact in decoded.artifacts} == {64}
    assert whole_again(decoded.artifacts, artifacts) == tuple(artifacts)


def test_a_place_that_was_cut_is_taken_from_the_reports_only_where_it_is_the_same_artifact() -> None:
    (known,) = ARTIFACTS
    cut = known.model_copy(update={"uri": "pvc://results/a…"})
    other = known.model_copy(update={"digest": f"sha256:{'9' * 64}"})
    elsewhere = known.model_copy(update={"uri": "s3://results/a"})
    assert whole_again([cut], [other, elsewhere, known]) == (known,)
    assert whole_again([cut], [other, elsewhere]) == (cut,)
    assert whole_again([elsewhere], [known]) == (elsewhere,)
    assert whole_again([], [known]) == (known,)


@pytest.mark.parametrize("filling", ["x", "\x00", "é", "😀", '"'])
@pytest.mark.parametrize("length", [0, 400, 3000, 4096, 100_000])
def test_a_termination_message_always_fits_and_keeps_the_result(filling: str, length: int) -> None:
    message = TerminationMessage(
        run=2,
        exit_code=1,
        reason="TrainerError",
        message=filling * length,
        stage=Stage.EXPORT,
        detail=filling * length + "the last line tells",
        evaluation=EVALUATION,
        artifacts=ARTIFACTS,
        resolved=Resolved(spec_hash="ab"),
    )
    encoded = encode(message)
    assert len(encoded) <= MAX_BYTES
    decoded = decode(encoded)
    assert decoded is not None
    assert (decoded.run, decoded.exit_code, decoded.reason, decoded.stage) == (2, 1, "TrainerError", Stage.EXPORT)
    assert (decoded.evaluation, decoded.artifacts) == (EVALUATION, ARTIFACTS)
    assert decoded.message.startswith(filling * min(length, 100))


def test_a_long_traceback_keeps_its_end() -> None:
    detail = "line\n" * 5000 + "ValueError: the last line tells"
    message = TerminationMessage(exit_code=1, reason="TrainerError", message="It broke.", detail=detail)
    decoded = decode(encode(message))
    assert decoded is not None
    assert decoded.detail is not None
    assert decoded.detail.endswith("the last line tells")
    assert len(decoded.detail) > MAX_BYTES / 2


@pytest.mark.parametrize(
    "text", ["", "Killed", "{}", "[]", '{"exitCode": 0}', '{"exitCode": "0", "reason": "x"}', b"\xff"]
)
def test_what_is_no_termination_message_of_ours(text: str | bytes) -> None:
    assert decode(text) is None


def test_a_termination_message_of_a_newer_trainer_is_read() -> None:
    assert decode(json.dumps({"exitCode": 0, "reason": "Completed", "mood": "good"})) is not None
