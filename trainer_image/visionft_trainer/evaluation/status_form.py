"""A judgement as the status keeps it: decimals as strings, the first metric first."""

from __future__ import annotations

from collections.abc import Mapping

from visionft_api.decimals import format_decimal
from visionft_api.status import (
    MAX_ALTERNATIVES,
    MAX_EVALUATION_WARNINGS,
    EffectiveRank,
    Evaluation,
    EvaluationWarning,
    GeneralEvaluation,
    Intervals,
    MetricInterval,
    PromptMetrics,
    Reliance,
    VisionEvaluation,
    WithoutPictures,
)

from visionft_trainer.evaluation.judgement import Figures, Judgement, Measured, VisionUse

DIGITS = 4  # decimals of a metric in the status


def evaluation_of(judgement: Judgement) -> Evaluation:
    """The status form. Before training only the base model's part is known, and there is no verdict yet."""
    baseline, tuned = judgement.baseline, judgement.tuned
    return Evaluation(
        baseline=_measured(baseline),
        tuned=_measured(tuned),
        delta=_decimals(judgement.delta) or None,
        verdict=judgement.verdict,
        samples=judgement.samples,
        conclusion=judgement.conclusion,
        summary=judgement.summary or None,
        intervals=Intervals(
            baseline=_intervals(baseline.figures) if baseline else None,
            tuned=_intervals(tuned.figures) if tuned else None,
            delta=_intervals(judgement.delta) or None,
        ),
        prompts=[
            PromptMetrics(name=way.name, metrics=_decimals(way.measured.figures)) for way in judgement.alternatives
        ][:MAX_ALTERNATIVES]
        or None,
        vision=_vision(judgement),
        general=_general(judgement),
        warnings=[EvaluationWarning(reason=warn.reason, message=warn.message) for warn in judgement.warnings][
            :MAX_EVALUATION_WARNINGS
        ]
        or None,
    )


def _vision(judgement: Judgement) -> VisionEvaluation | None:
    before, after = judgement.vision_baseline, judgement.vision_tuned
    if before is None and after is None:
        return None
    return VisionEvaluation(
        baseline=_without(before),
        tuned=_without(after),
        reliance=Reliance(
            baseline=_decimals(before.reliance) if before else None, tuned=_decimals(after.reliance) if after else None
        ),
        rank=EffectiveRank(
            baseline=_decimal(before.effective_rank) if before else None,
            tuned=_decimal(after.effective_rank) if after else None,
        ),
    )


def _general(judgement: Judgement) -> GeneralEvaluation | None:
    if judgement.general_baseline is None and judgement.general_tuned is None:
        return None
    return GeneralEvaluation(baseline=_measured(judgement.general_baseline), tuned=_measured(judgement.general_tuned))


def _without(use: VisionUse | None) -> WithoutPictures | None:
    return WithoutPictures(shuffled=_decimals(use.shuffled), blank=_decimals(use.blank)) if use else None


def _measured(measured: Measured | None) -> dict[str, str] | None:
    return _decimals(measured.figures) if measured else None


def _decimals(figures: Figures) -> dict[str, str]:
    return _named({name: _decimal(figure.value) for name, figure in figures.items()})


def _intervals(figures: Figures) -> dict[str, MetricInterval]:
    found = {}
    for name, figure in figures.items():
        low, high = _decimal(figure.low), _decimal(figure.high)
        if low is not None and high is not None:
            found[name] = MetricInterval(low=low, high=high)
    return found


def _named(texts: Mapping[str, str | None]) -> dict[str, str]:
    """Those that have a value."""
    return {name: text for name, text in texts.items() if text is not None}


def _decimal(value: float | None) -> str | None:
    return format_decimal(value, DIGITS)
