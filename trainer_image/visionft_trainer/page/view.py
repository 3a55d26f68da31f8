"""What the page says in words and rows, from the report's figures. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from visionft_api.status import Stage

from visionft_trainer.evaluation.judgement import Figure, Figures, Judgement, VisionUse
from visionft_trainer.page import charts, cost, figures
from visionft_trainer.page.model import RunReport

BASE, TUNED = "Base model", "Tuned model"


@dataclass(frozen=True)
class Headline:
    """The verdict."""

    tone: str
    """good, bad, open: how the page colours it. The words say the same."""
    sign: str
    title: str
    sentence: str


@dataclass(frozen=True)
class KeyFigure:
    """A figure that people look for first."""

    label: str
    text: str
    detail: str = ""


@dataclass(frozen=True)
class Row:
    """A row of a table of metrics."""

    label: str
    cells: list[Figure | None]
    """One for each of the judgement's metrics; None where it was not measured."""
    is_difference: bool = False


def headline(report: RunReport) -> Headline:
    """The verdict in a word and a sentence."""
    judged = report.judgement
    if not report.complete:
        return Headline(
            "open",
            "…",
            "Not complete",
            "This run has not come to its end. The page shows what is known so far.",
        )
    if judged is None or judged.tuned is None:
        return Headline("open", figures.NOTHING, "Trained, not measured", _why_not_measured(report))
    titles = {
        "Better": ("good", "✓", "Better"),
        "Worse": ("bad", "✗", "Worse"),
        "NoDifference": ("open", "=", "No difference"),
        "PromptSuffices": ("open", "≈", "A prompt does as well"),
        None: ("open", figures.NOTHING, "Measured once"),
    }
    tone, sign, title = titles[judged.conclusion]
    if judged.verdict == "Failed" and tone == "good":
        tone, title = "open", f"{title}, but a gate does not hold"
    return Headline(
        tone, sign, title, judged.summary or "The base model was not measured: there is nothing to compare."
    )


def _why_not_measured(report: RunReport) -> str:
    if report.manifest.get("dataset", {}).get("validation"):
        return (
            "What was measured is not known here, because judgement.json is missing or cannot be read. "
            "Copy the run's folder again, or measure with visionft-trainer evaluate."
        )
    return (
        "There were no validation rows, so nobody knows whether the model is better. "
        "Set spec.dataset.validation to find out."
    )


def key_figures(report: RunReport) -> list[KeyFigure]:
    """At most four."""
    judged = report.judgement
    found = []
    if judged is not None and judged.tuned is not None and judged.metrics:
        name = judged.metrics[0]
        after, delta = judged.tuned.figures[name], judged.delta.get(name)
        before = judged.baseline.figures[name] if judged.baseline else None
        text = (
            f"{figures.number(before.value)} → {figures.number(after.value)}" if before else figures.number(after.value)
        )
        detail = f"{figures.signed(delta.value)} ({figures.interval(delta)})" if delta else figures.interval(after)
        found.append(KeyFigure(report.metrics[name].title, text, detail))
        found.append(KeyFigure("Measured on", figures.counted(judged.samples, "row")))
    if report.data is not None:
        steps = figures.counted(report.steps, "step") if report.steps is not None else ""
        rows = cost.rows_met(report.cost, report.data.train.rows)
        found.append(KeyFigure("Trained on", figures.counted(rows, "row"), steps))
    if report.cost.attempts:
        seconds = cost.seconds_by_stage(report.cost)
        detail = f"of it training {figures.duration(seconds[Stage.TRAIN])}" if Stage.TRAIN in seconds else ""
        if detail and report.trained_in is not None:
            detail += f", in run {report.trained_in}"
        found.append(KeyFigure("Took", figures.duration(cost.total_seconds(report.cost)), detail))
    return found


def metric_rows(report: RunReport) -> list[Row]:
    """Base model, its other prompts, tuned model, and the differences between them."""
    judged = report.judgement
    if judged is None:
        return []
    rows = [_row(judged, name, measured) for name, measured in _ways(judged)]
    rows += [_row(judged, f"Tuned {figures.MINUS} base", judged.delta, is_difference=True)] if judged.delta else []
    rows += [
        _row(judged, f"Tuned {figures.MINUS} {alternative.name}", alternative.delta_to_tuned, is_difference=True)
        for alternative in judged.alternatives
        if alternative.delta_to_tuned
    ]
    return rows


def dot_charts(report: RunReport) -> list[charts.DotChart]:
    """One for each metric."""
    judged = report.judgement
    if judged is None:
        return []
    marks: dict[str, charts.Mark] = {BASE: "base", TUNED: "tuned"}
    found = []
    for name in judged.metrics:
        info = report.metrics[name]
        lines = [
            charts.Line(label, measured[name], marks.get(label, "other"))
            for label, measured in _ways(judged)
            if name in measured
        ]
        if lines:
            found.append(charts.dot_chart(info.title, lines, lower_is_better=info.lower_is_better))
    return found


def vision_chart(report: RunReport) -> charts.DotChart | None:
    """The first metric with the right pictures, with others and with none; None where it was not measured."""
    judged = report.judgement
    if judged is None or not judged.metrics:
        return None
    name = judged.metrics[0]
    lines = [
        charts.Line(f"{label}, {pictures}", measured[name], mark)
        for label, mark, use in _uses(judged)
        for pictures, measured in _pictures(use)
        if name in measured
    ]
    info = report.metrics[name]
    title = f"{info.title}, by the picture shown"
    return charts.dot_chart(title, lines, lower_is_better=info.lower_is_better) if lines else None


def vision_rows(report: RunReport) -> list[Row]:
    """As `vision_chart`, for all metrics, and what follows."""
    judged = report.judgement
    if judged is None:
        return []
    rows = []
    for label, _, use in _uses(judged):
        rows += [_row(judged, f"{label}, {pictures}", measured) for pictures, measured in _pictures(use)]
        rows.append(_row(judged, f"{label}, reliance on the picture", use.reliance, is_difference=True))
    return rows


def _ways(judged: Judgement) -> list[tuple[str, Figures]]:
    ways = [(BASE, judged.baseline.figures)] if judged.baseline else []
    ways += [(f"Base, {alternative.name}", alternative.measured.figures) for alternative in judged.alternatives]
    return ways + ([(TUNED, judged.tuned.figures)] if judged.tuned else [])


def _uses(judged: Judgement) -> list[tuple[str, charts.Mark, VisionUse]]:
    uses: Sequence[tuple[str, charts.Mark, VisionUse | None]] = (
        ("Base", "base", judged.vision_baseline),
        ("Tuned", "tuned", judged.vision_tuned),
    )
    return [(label, mark, use) for label, mark, use in uses if use is not None]


def _pictures(use: VisionUse) -> list[tuple[str, Figures]]:
    return [("right picture", use.intact), ("another row's", use.shuffled), ("grey", use.blank)]


def _row(judged: Judgement, label: str, measured: Figures, *, is_difference: bool = False) -> Row:
    return Row(label, [measured.get(name) for name in judged.metrics], is_difference)


def common_prompt(report: RunReport) -> str | None:
    """The question, where all shown rows have the same one."""
    prompts = {sample.prompt for sample in report.samples.chosen}
    return prompts.pop() or None if len(prompts) == 1 else None
