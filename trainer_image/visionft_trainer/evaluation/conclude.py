"""What the figures come to, in a word and in a sentence. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

from visionft_api.decimals import short_decimal
from visionft_api.gates import Gate
from visionft_api.status import Conclusion
from visionft_api.verdict_text import with_gates

from visionft_trainer.evaluation.judgement import Alternative, Figure, Judgement
from visionft_trainer.evaluation.metrics import METRICS, Metric
from visionft_trainer.evaluation.verdict import failed_gates, verdict_of

FEW_ROWS = 30
"""Fewer measured rows are said to be few: their interval itself is rough."""


def decide(judgement: Judgement, gates: Sequence[Gate]) -> Judgement:
    """`judgement` held against `gates`, with its conclusion and the sentence; figures and warnings stay."""
    if judgement.tuned is None:
        return judgement.model_copy(update={"summary": before_training(judgement)})
    judged = judgement.model_copy(
        update={
            "verdict": verdict_of(gates, judgement),
            "failed_gates": failed_gates(gates, judgement),
            "conclusion": conclusion(judgement),
        }
    )
    return judged.model_copy(update={"summary": sentence(judged)})


def conclusion(judgement: Judgement) -> Conclusion | None:
    """Decided by the paired interval of the first metric. None where either model was not measured."""
    name = judgement.metrics[0]
    if name not in judgement.delta:
        return None
    side = side_of(METRICS[name], judgement.delta[name])
    if side == "Better" and sufficing(judgement) is not None:
        return "PromptSuffices"
    return side


def side_of(metric: Metric, change: Figure) -> Conclusion:
    """Where the interval of a change lies as a whole."""
    if change.high < 0:
        return "Better" if metric.lower_is_better else "Worse"
    if change.low > 0:
        return "Worse" if metric.lower_is_better else "Better"
    return "NoDifference"


def sufficing(judgement: Judgement) -> Alternative | None:
    """The best of the other ways of asking the base model that the tuned model is not clearly better than."""
    name = judgement.metrics[0]
    metric = METRICS[name]
    level = [way for way in judgement.alternatives if way.delta_to_tuned
             and side_of(metric, way.delta_to_tuned[name]) != "Better"]  # fmt: skip
    choose = min if metric.lower_is_better else max
    return choose(level, key=lambda way: way.measured.figures[name].value, default=None)


def sentence(judgement: Judgement) -> str:
    """The verdict for people: what changed, how sure that is, on how many rows, and what of the gates."""
    assert judgement.tuned is not None
    name = judgement.metrics[0]
    metric = METRICS[name]
    after = judgement.tuned.figures[name]
    if judgement.baseline is None:
        told = (
            f"The tuned model's {spoken(metric.title)} is {_surely(after)} on "
            f"{_rows(judgement)}; the base model was not measured"
        )
    else:
        told = _change(judgement, metric, judgement.baseline.figures[name], after)
    return with_gates(f"{told}.", judgement.failed_gates) if judgement.verdict in ("Passed", "Failed") else f"{told}."


def before_training(judgement: Judgement) -> str:
    """What is known while the tuned model is still to come."""
    if judgement.baseline is None:
        return ""
    name = judgement.metrics[0]
    figure = judgement.baseline.figures[name]
    return f"The base model's {spoken(METRICS[name].title)} is {_surely(figure)} on {_rows(judgement)}."


def spoken(title: str) -> str:
    """A metric's title within a sentence: `character error rate`, `ANLS`."""
    return title[0].lower() + title[1:] if title[1].islower() else title


def _change(judgement: Judgement, metric: Metric, before: Figure, after: Figure) -> str:
    delta = judgement.delta[metric.name]
    figures = f"the {spoken(metric.title)} from {short_decimal(before.value)} to {short_decimal(after.value)}"
    bounds = f"(95 % interval of the change: {_signed(delta.low)} to {_signed(delta.high)}) on {_rows(judgement)}"
    verb = "lowered" if delta.value < 0 else "raised"
    match judgement.conclusion:
        case "Better":
            return f"Tuning {verb} {figures} {bounds}"
        case "Worse":
            return f"The model got worse: tuning {verb} {figures} {bounds}"
        case "PromptSuffices":
            way = sufficing(judgement)
            assert way is not None
            value = short_decimal(way.measured.figures[metric.name].value)
            return f"Tuning {verb} {figures} {bounds}, but {_named(way)} does as well without training ({value})"
        case _:
            return f"No difference can be shown: {figures} {bounds}"


def _named(way: Alternative) -> str:
    return f'{way.name} ("{way.prompt}")' if way.prompt is not None else f"the base model with {way.name}"


def _rows(judgement: Judgement) -> str:
    count = judgement.samples
    rows, verb = ("1 row", "is") if count == 1 else (f"{count} rows", "are")
    return f"{rows}, which {verb} too few to be sure of the interval" if count < FEW_ROWS else rows


def _surely(figure: Figure) -> str:
    bounds = f"95 % interval: {short_decimal(figure.low)} to {short_decimal(figure.high)}"
    return f"{short_decimal(figure.value)} ({bounds})"


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else ''}{short_decimal(value)}"
