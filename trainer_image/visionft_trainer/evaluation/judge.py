"""From answers to a judgement. Pure functions: rows and answers in, figures with their intervals out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from visionft_api.gates import Gate

from visionft_trainer.data.rows import Row
from visionft_trainer.evaluation import bootstrap, conclude, warn
from visionft_trainer.evaluation.generate import Answer, Answers, boxes_of
from visionft_trainer.evaluation.judgement import (
    Alternative,
    Figure,
    Figures,
    Judgement,
    Measured,
    VisionUse,
)
from visionft_trainer.evaluation.metrics import METRICS, Case, Floats, Metric
from visionft_trainer.evaluation.rounds import Plan, Round

Statistics = Mapping[str, Floats]
"""Of each metric, `[n, k]`: what its figure and interval are made of."""


def cases_of(rows: Sequence[Row], answers: Sequence[Answer]) -> list[Case]:
    """Rows beside what was answered to them."""
    return [_case(row, answer) for row, answer in zip(rows, answers, strict=True)]


def _case(row: Row, answer: Answer) -> Case:
    right = boxes_of(row)
    return Case(row.references, answer.text, right.boxes if right else (), answer.boxes)


def statistics_of(metrics: Sequence[str], rows: Sequence[Row], answers: Sequence[Answer]) -> dict[str, Floats]:
    """Each metric's statistics of the rows."""
    cases = cases_of(rows, answers)
    return {name: METRICS[name].statistics(cases) for name in metrics}


@dataclass(frozen=True)
class _Blind:
    """The pictured rows' statistics of one model: as they are, and in the two ways without help."""

    intact: Statistics
    shuffled: Statistics
    blank: Statistics

    def better(self, metric: Metric) -> Floats:
        """Of the two ways without help, the one that does better."""
        ways = (self.shuffled[metric.name], self.blank[metric.name])
        return (min if metric.lower_is_better else max)(ways, key=lambda way: _value(metric, way))

    def reliance(self, metric: Metric, weight: float = 1.0) -> list[tuple[float, Floats]]:
        """What intact and blind figures are weighted with, to give how much better intact is."""
        sign = -weight if metric.lower_is_better else weight
        return [(sign, self.intact[metric.name]), (-sign, self.better(metric))]


@dataclass(frozen=True)
class Judge:
    """Judges answers to one plan."""

    plan: Plan
    metrics: Sequence[str]
    gates: Sequence[Gate]
    general_metrics: Sequence[str] = ()

    def judge(self, before: Round | None, after: Round | None) -> Judgement:
        """All that follows from the answers of the base model, the tuned one, or both."""
        rows = [example.row for example in self.plan.plain.examples]
        base = statistics_of(self.metrics, rows, before.plain.items) if before else None
        tuned = statistics_of(self.metrics, rows, after.plain.items) if after else None
        blind_before, blind_after = self._blind(rows, before), self._blind(rows, after)
        general_before, general_after = self._general(before), self._general(after)
        judgement = Judgement(
            metrics=list(self.metrics),
            samples=len(rows),
            baseline=_measured(base, before.plain) if before and base else None,
            tuned=_measured(tuned, after.plain) if after and tuned else None,
            delta=_differences(base, tuned),
            alternatives=self._alternatives(rows, before, tuned),
            vision_baseline=_vision(blind_before, before),
            vision_tuned=_vision(blind_after, after),
            general_baseline=_measured(general_before, before.general) if before and before.general else None,
            general_tuned=_measured(general_after, after.general) if after and after.general else None,
            general_delta=_differences(general_before, general_after),
        )
        warnings = warn.warnings(judgement, _reliance_change(blind_before, blind_after))
        return conclude.decide(judgement.model_copy(update={"warnings": warnings}), self.gates)

    def _alternatives(self, rows: Sequence[Row], before: Round | None, tuned: Statistics | None) -> list[Alternative]:
        found = []
        for asking in self.plan.alternatives if before else ():
            assert before is not None
            answers = before.alternatives[asking.name]
            statistics = statistics_of(self.metrics, rows, answers.items)
            found.append(
                Alternative(
                    name=asking.title,
                    prompt=asking.prompt,
                    measured=_measured(statistics, answers),
                    delta_to_tuned=_differences(statistics, tuned),
                )
            )
        return found

    def _blind(self, rows: Sequence[Row], answered: Round | None) -> _Blind | None:
        if answered is None or answered.shuffled is None or answered.blank is None:
            return None
        chosen = [rows[index] for index in self.plan.pictured]
        intact = [answered.plain.items[index] for index in self.plan.pictured]
        of = [statistics_of(self.metrics, chosen, items)
              for items in (intact, answered.shuffled.items, answered.blank.items)]  # fmt: skip
        return _Blind(*of)

    def _general(self, answered: Round | None) -> Statistics | None:
        if answered is None or answered.general is None or self.plan.general is None:
            return None
        rows = [example.row for example in self.plan.general.examples]
        return statistics_of(self.general_metrics or self.metrics, rows, answered.general.items)


def _value(metric: Metric, statistics: Floats) -> float:
    return float(metric.value(statistics.sum(axis=0)))


def _figures(statistics: Statistics) -> Figures:
    figures = {}
    for name, rows in statistics.items():
        metric = METRICS[name]
        bounds = bootstrap.interval(metric, rows)
        figures[name] = Figure(value=_value(metric, rows), low=bounds.low, high=bounds.high)
    return figures


def _measured(statistics: Statistics | None, answers: Answers) -> Measured:
    assert statistics is not None
    return Measured(
        figures=_figures(statistics), samples=len(answers.items), seconds=answers.seconds, tokens=answers.tokens
    )


def _differences(before: Statistics | None, after: Statistics | None) -> Figures:
    """After minus before, the same rows drawn for both."""
    if before is None or after is None:
        return {}
    return {name: _weighed(METRICS[name], [(-1.0, before[name]), (1.0, after[name])]) for name in before}


def _weighed(metric: Metric, parts: Sequence[tuple[float, Floats]]) -> Figure:
    """The weighted sum of figures over the same rows."""
    bounds = bootstrap.weighted(metric, parts)
    value = sum(weight * _value(metric, rows) for weight, rows in parts)
    return Figure(value=value, low=bounds.low, high=bounds.high)


def _vision(blind: _Blind | None, answered: Round | None) -> VisionUse | None:
    if blind is None or answered is None or answered.shuffled is None:
        return None
    return VisionUse(
        samples=len(answered.shuffled.items),
        intact=_figures(blind.intact),
        shuffled=_figures(blind.shuffled),
        blank=_figures(blind.blank),
        reliance={name: _weighed(METRICS[name], blind.reliance(METRICS[name])) for name in blind.intact},
        effective_rank=answered.effective_rank,
    )


def _reliance_change(before: _Blind | None, after: _Blind | None) -> Figures:
    """How much more the tuned model relies on pictures than the base model."""
    if before is None or after is None:
        return {}
    return {
        name: _weighed(METRICS[name], before.reliance(METRICS[name], -1.0) + after.reliance(METRICS[name]))
        for name in before.intact
    }
