"""What a person should know of a result beside its verdict: whether it looks at pictures, and what it has forgotten."""

from __future__ import annotations

from collections.abc import Iterator

from visionft_trainer.evaluation.conclude import spoken
from visionft_trainer.evaluation.judgement import Figure, Figures, Judgement, VisionUse, Warn
from visionft_trainer.evaluation.metrics import METRICS, Metric

SHRUNK_SHARE = 0.2
"""Of the base model's reliance on pictures that must surely be lost before it is told."""
ABLE_SHARE = 0.1
"""How much better than no answers at all (an error rate of 1, a score of 0) the answers of a model must be, before its
reliance on pictures means anything: of one that babbles they only change the babble."""
BLIND_SHARE = 0.1
"""Of what is wrong without pictures; where they mend less than that, the tuned model does as well without them."""
COLLAPSED_SHARE = 0.5
"""Of the base model's effective rank; below it the features of different pictures have become alike."""


def warnings(judgement: Judgement, reliance_change: Figures) -> list[Warn]:
    """Every warning that the figures give rise to; `reliance_change` is the tuned model's minus the base model's."""
    return [*_reliance(judgement, reliance_change), *_rank(judgement), *_forgotten(judgement)]


def _reliance(judgement: Judgement, change: Figures) -> Iterator[Warn]:
    after, before = judgement.vision_tuned, judgement.vision_baseline
    if after is None:
        return
    name = judgement.metrics[0]
    metric = METRICS[name]
    if blind_as_well(metric, after):
        yield Warn(
            reason="VisionReliance",
            message=f"The tuned model answers as well without its pictures: {_of(name, after)}. It answers from the "
            "question alone. Check that the answers need the picture, and that each row names its own.",
        )
    elif before is not None and name in change and shrunk(metric, before, after, change[name]):
        yield Warn(
            reason="VisionReliance",
            message=f"Training made the model look less at its pictures: they were worth "
            f"{before.reliance[name].value:.2f} of {spoken(metric.title)} before and {after.reliance[name].value:.2f} "
            f"after ({_of(name, after)}). Check that the answers need the picture.",
        )


def blind_as_well(metric: Metric, use: VisionUse) -> bool:
    """Whether the model does as well with pictures that are of no help."""
    reliance = use.reliance[metric.name]
    mends_little = reliance.value <= 0 or share_mended(metric, use) < BLIND_SHARE
    return able(metric, use) and reliance.low <= 0 and mends_little


def able(metric: Metric, use: VisionUse) -> bool:
    """Whether the model can do the task, with its pictures, at least a little."""
    intact = use.intact[metric.name].value
    return (1 - intact if metric.lower_is_better else intact) >= ABLE_SHARE


def shrunk(metric: Metric, before: VisionUse, after: VisionUse, change: Figure) -> bool:
    """Whether reliance has clearly become less: by more than chance and by a share of what it was.

    A tuned model knows the form of an answer without its picture, which lowers what pictures can add. So the share of
    blind mistakes that pictures mend must have become less too. Both models must be able to do the task.
    """
    if not (able(metric, before) and able(metric, after)):
        return False
    lost = change.high < -SHRUNK_SHARE * max(before.reliance[metric.name].value, 0.0) and change.high < 0
    return lost and share_mended(metric, after) < share_mended(metric, before)


def share_mended(metric: Metric, use: VisionUse) -> float:
    """Of what the model gets wrong without help, the share that its pictures mend."""
    intact, blind = use.intact[metric.name].value, _blind(metric, use)
    missing = blind if metric.lower_is_better else (metric.highest or 1.0) - blind
    gained = blind - intact if metric.lower_is_better else intact - blind
    return gained / missing if missing > 0 else 0.0


def _blind(metric: Metric, use: VisionUse) -> float:
    return (min if metric.lower_is_better else max)(use.shuffled[metric.name].value, use.blank[metric.name].value)


def _of(name: str, use: VisionUse) -> str:
    metric = METRICS[name]
    return (
        f"{spoken(metric.title)} {use.intact[name].value:.2f} with them, {use.shuffled[name].value:.2f} with those of "
        f"other rows, {use.blank[name].value:.2f} with grey ones"
    )


def _rank(judgement: Judgement) -> Iterator[Warn]:
    before, after = judgement.vision_baseline, judgement.vision_tuned
    if before is None or after is None or not before.effective_rank or after.effective_rank is None:
        return
    if after.effective_rank < COLLAPSED_SHARE * before.effective_rank:
        yield Warn(
            reason="VisionCollapse",
            message=f"The features of different pictures have become alike: their effective rank fell from "
            f"{before.effective_rank:.1f} to {after.effective_rank:.1f}. Train the vision part with a lower "
            "visionLearningRate, or leave it as it is (spec.adapter.vision: false).",
        )


def _forgotten(judgement: Judgement) -> Iterator[Warn]:
    before, after = judgement.general_baseline, judgement.general_tuned
    if before is None or after is None:
        return
    for name, delta in judgement.general_delta.items():
        metric = METRICS[name]
        if delta.low > 0 if metric.lower_is_better else delta.high < 0:
            yield Warn(
                reason="Forgetting",
                message=f"On the general rows the tuned model does worse than the base model: {spoken(metric.title)} "
                f"{before.figures[name].value:.2f} before, {after.figures[name].value:.2f} after (95 % interval of the "
                f"change: {delta.low:+.2f} to {delta.high:+.2f}). Train shorter, with a lower rank or learning rate, "
                "or mix such rows in.",
            )
            return
