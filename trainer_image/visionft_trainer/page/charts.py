"""Charts as SVG that stands in the page. Pure functions: data in, plain shapes out; the templates draw them.

Places along an axis are in percent, so that a chart is as wide as the page has room for and its words keep their size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from visionft_api.shown import shorten

from visionft_trainer.evaluation.judgement import Figure
from visionft_trainer.page import figures
from visionft_trainer.reporting.report import CurvePoint

TICKS = 5  # about
LOW_TICKS = 2  # of a low chart
STEPS_OF_TICKS = (1.0, 2.0, 2.5, 5.0, 10.0)
ZOOM_BELOW = 0.25  # of the largest value: figures that lie closer together get an axis that does not begin at 0
SMALL_STEP = 1e-4  # between ticks; below, they are written with an exponent
ROW_HEIGHT = 44  # pixels
AXIS_HEIGHT = 26
LABEL_CHARACTERS = 36  # of a line; they must fit a telephone beside the figure
DRAWN_POINTS = 400  # of a curve
SMOOTHED_OVER = 25  # a smoothed curve is a running mean over this part of the points
PLOT = 1000  # units of a plot's inner coordinates

Mark = Literal["base", "other", "tuned"]


@dataclass(frozen=True)
class Axis:
    """A range with round ticks."""

    low: float
    high: float
    step: float

    def place(self, value: float) -> float:
        """Percent of the way from `low` to `high`, kept within."""
        if self.high <= self.low:
            return 0.0
        return round(min(max((value - self.low) / (self.high - self.low), 0.0), 1.0) * 100, 2)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Place in percent and text of each tick."""
        count = round((self.high - self.low) / self.step)
        values = [self.low + index * self.step for index in range(count + 1)]
        if self.step < SMALL_STEP:
            return [(self.place(value), figures.small(value)) for value in values]
        digits = max(0, -math.floor(math.log10(self.step) + 1e-9)) if self.step < 1 else 0
        if round(self.step, digits) != self.step:
            digits += 1
        return [(self.place(value), figures.number(value + 0.0, digits)) for value in values]

    @property
    def starts_at_zero(self) -> bool:
        """Whether lengths along it may be compared."""
        return self.low <= 0


def axis_for(values: Sequence[float], *, zoom: bool = True, ticks: int = TICKS) -> Axis:
    """An axis that holds all finite `values`, from 0 on unless they lie far from it and close together."""
    known = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = min(known), max(known)
    if not zoom or low <= 0 or not 0 < high - low <= ZOOM_BELOW * high:
        low = min(low, 0.0)
    if high <= low:
        high = low + (abs(low) or 1.0)
    step = _step((high - low) / ticks)
    return Axis(math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, step)


def _step(least: float) -> float:
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in STEPS_OF_TICKS if factor * power >= least * (1 - 1e-9))


@dataclass(frozen=True)
class Line:
    """A figure of a dot-and-whisker chart, with its name."""

    label: str
    figure: Figure
    mark: Mark = "other"


@dataclass(frozen=True)
class Whisker:
    """A line of the chart, placed."""

    label: str
    text: str
    mark: Mark
    y: int
    """Pixels from the top, of the dot."""
    low: float
    value: float
    high: float
    """Percent."""


@dataclass(frozen=True)
class DotChart:
    """A dot-and-whisker chart of one metric."""

    title: str
    description: str
    lower_is_better: bool
    axis: Axis
    whiskers: tuple[Whisker, ...]
    height: int


def dot_chart(title: str, lines: Sequence[Line], *, lower_is_better: bool) -> DotChart:
    """The chart of `lines`, from top to bottom. Its description says all of it in words."""
    ends = [end for line in lines for end in (line.figure.low, line.figure.value, line.figure.high)]
    axis = axis_for(ends)
    whiskers = tuple(
        Whisker(
            shorten(line.label, LABEL_CHARACTERS),
            figures.number(line.figure.value),
            line.mark,
            index * ROW_HEIGHT + 30,
            axis.place(line.figure.low),
            axis.place(line.figure.value),
            axis.place(line.figure.high),
        )
        for index, line in enumerate(lines)
    )
    words = "; ".join(
        f"{line.label} {figures.number(line.figure.value)} ({figures.interval(line.figure)})" for line in lines
    )
    better = "Lower is better" if lower_is_better else "Higher is better"
    return DotChart(
        title, f"{better}. {words}.", lower_is_better, axis, whiskers, len(lines) * ROW_HEIGHT + AXIS_HEIGHT
    )


@dataclass(frozen=True)
class Curve:
    """A line of a chart over steps."""

    name: str
    style: str
    """By which the page draws and names it."""
    path: str
    """Of an SVG polyline, in `PLOT` by `PLOT` units."""
    dots: tuple[tuple[float, float], ...] = ()
    """Places in percent, where single measurements are to be seen."""


@dataclass(frozen=True)
class CurveChart:
    """Curves over the steps of a training."""

    title: str
    description: str
    steps: Axis
    values: Axis
    value_ticks: tuple[tuple[float, str], ...]
    """Place in percent from the top, and text."""
    curves: tuple[Curve, ...]
    shipped: float | None
    """Place in percent of the step whose weights ship."""


Points = Sequence[tuple[int, float]]


def loss_chart(curve: Sequence[CurvePoint], shipped_step: int | None) -> CurveChart | None:
    """Training and validation loss; None where nothing was logged."""
    training = _known((point.step, point.loss) for point in curve)
    validation = _known((point.step, point.validation_loss) for point in curve)
    lines: list[tuple[str, str, Points]] = [
        ("training loss of each step", "raw", training),
        ("training loss, running mean", "training", running_mean(training)),
        ("validation loss", "validation", validation),
    ]
    words = [_course("Training loss", running_mean(training)), _course("Validation loss", validation)]
    return _curve_chart("Loss over the steps of the training", words, lines, shipped_step, dots=("validation",))


def rate_chart(curve: Sequence[CurvePoint]) -> CurveChart | None:
    """The learning rate; None where nothing was logged."""
    rates = _known((point.step, point.learning_rate) for point in curve)
    lines: list[tuple[str, str, Points]] = [("learning rate", "rate", rates)]
    words = [_course("Learning rate", rates)]
    return _curve_chart("Learning rate over the steps of the training", words, lines, None, ticks=LOW_TICKS)


def running_mean(points: Points) -> list[tuple[int, float]]:
    """Each value with its neighbours on both sides, a part of `SMOOTHED_OVER` of all; fewer at the ends."""
    reach = len(points) // SMOOTHED_OVER // 2
    sums = [0.0]
    for _, value in points:
        sums.append(sums[-1] + value)
    mean = []
    for index, (step, _) in enumerate(points):
        first, last = max(index - reach, 0), min(index + reach + 1, len(points))
        mean.append((step, (sums[last] - sums[first]) / (last - first)))
    return mean


def _curve_chart(
    title: str,
    words: Sequence[str],
    lines: Sequence[tuple[str, str, Points]],
    shipped_step: int | None,
    dots: Sequence[str] = (),
    ticks: int = TICKS,
) -> CurveChart | None:
    everything = [point for _, _, points in lines for point in points]
    if not everything:
        return None
    steps = axis_for(
        [step for step, _ in everything] + ([shipped_step] if shipped_step is not None else []), zoom=False
    )
    values = axis_for([value for _, value in everything], zoom=False, ticks=ticks)
    curves = tuple(
        Curve(name, style, _path(thin(points), steps, values), _dots(points, steps, values) if style in dots else ())
        for name, style, points in lines
        if points
    )
    shipped = None if shipped_step is None else steps.place(shipped_step)
    if shipped_step is not None:
        words = [*words, f"The weights of step {shipped_step:,} ship."]
    levels = tuple((100 - place, text) for place, text in values.ticks)
    return CurveChart(title, " ".join(filter(None, words)), steps, values, levels, curves, shipped)


def thin(points: Points) -> Points:
    """At most about `DRAWN_POINTS` of them, evenly, with the last one."""
    stride = -(-len(points) // DRAWN_POINTS) or 1
    thinned = list(points[::stride])
    return thinned if not points or thinned[-1] == points[-1] else [*thinned, points[-1]]


def _path(points: Points, steps: Axis, values: Axis) -> str:
    scale = PLOT / 100
    return " ".join(
        f"{steps.place(step) * scale:.0f},{PLOT - values.place(value) * scale:.0f}" for step, value in points
    )


def _dots(points: Points, steps: Axis, values: Axis) -> tuple[tuple[float, float], ...]:
    return tuple((steps.place(step), round(100 - values.place(value), 2)) for step, value in thin(points))


def _course(name: str, points: Points) -> str:
    if not points:
        return ""
    (first, start), (last, end) = points[0], points[-1]
    least, at = min((value, step) for step, value in points)
    return (
        f"{name}: {figures.small(start)} at step {first:,}, {figures.small(end)} at step {last:,}, "
        f"lowest {figures.small(least)} at step {at:,}."
    )


def _known(points: Iterable[tuple[int, float | None]]) -> list[tuple[int, float]]:
    return [(step, value) for step, value in points if value is not None and math.isfinite(value)]
