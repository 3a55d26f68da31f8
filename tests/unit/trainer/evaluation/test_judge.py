"""From answers to figures, differences and reliance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from visionft_api.gates import parse_gate
from visionft_trainer.data.rows import Box, Boxes, Message, Row, Text, Where
from visionft_trainer.evaluation.asking import Asking, Made
from visionft_trainer.evaluation.generate import Answer, Answers
from visionft_trainer.evaluation.judge import Judge
from visionft_trainer.evaluation.rounds import Plan, Round
from visionft_trainer.evaluation.status_form import evaluation_of
from visionft_trainer.prepare.preprocess import Example

RIGHT = ["12", "34", "56", "78"] * 10


def asking(rows: Sequence[Row], name: str = "plain", **more: Any) -> Asking:
    examples = [Example(row, *[None] * 3) for row in rows]  # type: ignore[arg-type]
    return Asking(name, Made(len(rows), lambda index: examples[index]), None, [], **more)  # type: ignore[arg-type]


def row(answer: str | Boxes, number: int = 1, **more: Any) -> Row:
    part = answer if isinstance(answer, Boxes) else Text(answer)
    messages = (Message("user", (Text("Read it."),)), Message("assistant", (part,)))
    return Row(Where("rows.jsonl", number), messages, **more)


def answers(*texts: str) -> Answers:
    return Answers(tuple(Answer(text, tokens=1) for text in texts), 2.0)


ROWS = [row(text, number) for number, text in enumerate(RIGHT, start=1)]
PLAN = Plan(asking(ROWS))
HALF = answers(*(text if index % 2 else "00" for index, text in enumerate(RIGHT)))
ALL, NONE = answers(*RIGHT), answers(*["00"] * len(RIGHT))


def test_figures_differences_and_verdict() -> None:
    found = Judge(PLAN, ["cer", "exactMatch"], [parse_gate("cer < baseline")]).judge(Round(HALF), Round(ALL))
    assert found.baseline is not None
    assert found.baseline.figures["cer"].value == 0.5
    assert 0.3 < found.baseline.figures["cer"].low < 0.5 < found.baseline.figures["cer"].high < 0.7
    assert (found.baseline.samples, found.baseline.tokens, found.baseline.seconds) == (40, 40, 2.0)
    assert found.delta["exactMatch"].value == 0.5
    assert found.delta["cer"].high < 0
    assert (found.conclusion, found.verdict) == ("Better", "Passed")


def test_the_same_rows_are_drawn_for_both() -> None:
    """Both models fail on the same rows: what their figures may be off, their difference is not."""
    found = Judge(PLAN, ["cer"], []).judge(Round(HALF), Round(HALF))
    assert found.baseline is not None
    figure, delta = found.baseline.figures["cer"], found.delta["cer"]
    assert (delta.value, delta.low) == (0, pytest.approx(-delta.high))
    assert 0 < delta.high - delta.low < (figure.high - figure.low) / 2
    assert found.conclusion == "NoDifference"


def test_another_prompt_is_held_against_the_tuned_model() -> None:
    plan = Plan(PLAN.plain, (asking(ROWS, "prompt-1", title="prompt 1", prompt="Digits?"),))
    before = Round(NONE, {"prompt-1": ALL})
    found = Judge(plan, ["cer"], []).judge(before, Round(ALL))
    (other,) = found.alternatives
    assert (other.name, other.prompt, other.measured.figures["cer"].value) == ("prompt 1", "Digits?", 0.0)
    assert other.delta_to_tuned["cer"].value == 0
    assert found.conclusion == "PromptSuffices"


@pytest.mark.parametrize("metric", ["cer", "exactMatch"])
def test_reliance_is_what_pictures_add_to_the_better_of_both_blind_ways(metric: str) -> None:
    pictured = tuple(range(0, 40, 2))
    chosen = [RIGHT[index] for index in pictured]
    quarter = answers(*(text if index % 4 == 0 else "99" for index, text in enumerate(chosen)))
    plan = Plan(PLAN.plain, pictured=pictured)
    seen = Round(ALL, shuffled=quarter, blank=answers(*["99"] * 20), effective_rank=3.5)
    found = Judge(plan, [metric], []).judge(seen, seen)
    use = found.vision_tuned
    assert use is not None
    assert use.reliance[metric].value == pytest.approx(0.75)
    assert 0.4 < use.reliance[metric].low < 0.75 < use.reliance[metric].high < 1.1
    assert use.effective_rank == 3.5
    assert found.warnings == []


def test_a_model_that_forgot_its_pictures_is_warned_of() -> None:
    pictured = tuple(range(40))
    plan = Plan(PLAN.plain, pictured=pictured)
    looks, blind = Round(ALL, shuffled=NONE, blank=NONE), Round(ALL, shuffled=ALL, blank=ALL)
    found = Judge(plan, ["cer"], []).judge(looks, blind)
    assert [warn.reason for warn in found.warnings] == ["VisionReliance"]


def test_general_rows_have_metrics_of_their_own() -> None:
    plan = Plan(PLAN.plain, general=asking(ROWS[:20], "general"))
    good, bad = answers(*RIGHT[:20]), answers(*["00"] * 20)
    judge = Judge(plan, ["cer"], [], ["exactMatch"])
    found = judge.judge(Round(NONE, general=good), Round(ALL, general=bad))
    assert found.general_baseline is not None
    assert set(found.general_baseline.figures) == {"exactMatch"}
    assert found.general_delta["exactMatch"].value == -1
    assert [warn.reason for warn in found.warnings] == ["Forgetting"]


def test_boxes_are_compared_as_boxes() -> None:
    """Written otherwise than the reference, and still in the right place."""
    box = Box("cat", 0.1, 0.1, 0.5, 0.5)
    plan = Plan(asking([row(Boxes((box,), text="cat at (100, 100, 500, 500)"))]))
    near, far = Box("cat", 0.12, 0.1, 0.5, 0.52), Box("cat", 0.5, 0.5, 0.9, 0.9)
    values = []
    for boxes in ((near,), (far,), None):
        found = Judge(plan, ["groundedAccuracy"], []).judge(None, Round(Answers((Answer("...", boxes),), 0.1)))
        assert found.tuned is not None
        values.append(found.tuned.figures["groundedAccuracy"].value)
    assert values == [1, 0, 0]


def test_every_right_answer_counts() -> None:
    several = row("a cat", accepted=("a kitten", "a cat"))
    assert several.references == ("a cat", "a kitten")
    found = Judge(Plan(asking([several])), ["exactMatch"], []).judge(None, Round(answers("a kitten")))
    assert found.tuned is not None
    assert found.tuned.figures["exactMatch"].value == 1


def test_status_has_it_all_as_decimals() -> None:
    plan = Plan(PLAN.plain, (asking(ROWS, "prompt-1", title="prompt 1"),), tuple(range(40)), general=PLAN.plain)
    before = Round(HALF, {"prompt-1": NONE}, NONE, NONE, HALF, 12.0)
    judge = Judge(plan, ["cer"], [])
    only_base = evaluation_of(judge.judge(before, None)).to_json()
    assert only_base["baseline"] == {"cer": "0.5000"}
    assert not {"verdict", "delta"} & set(only_base)
    whole = evaluation_of(judge.judge(before, Round(ALL, {}, ALL, ALL, NONE, 3.0))).to_json()
    assert whole["delta"] == {"cer": "-0.5000"}
    assert set(whole["intervals"]) == {"baseline", "tuned", "delta"}
    assert whole["prompts"] == [{"name": "prompt 1", "metrics": {"cer": "1.0000"}}]
    assert whole["vision"]["tuned"] == {"shuffled": {"cer": "0.0000"}, "blank": {"cer": "0.0000"}}
    assert whole["vision"]["reliance"] == {"baseline": {"cer": "0.5000"}, "tuned": {"cer": "0.0000"}}
    assert whole["vision"]["rank"] == {"baseline": "12.0000", "tuned": "3.0000"}
    assert whole["general"] == {"baseline": {"cer": "0.5000"}, "tuned": {"cer": "1.0000"}}
    assert {warn["reason"] for warn in whole["warnings"]} == {"VisionReliance", "VisionCollapse", "Forgetting"}
    assert whole["conclusion"] == "Better"
