"""What the two loss curves say: when to stop, which weights are the best, and whether the training overfits.

All of it follows from the logged history, which every checkpoint carries: a resumed run decides as an undisturbed one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from visionft_api.spec import TrainingSpec

OVERFITTING_RISE = 0.05
"""Rise of the validation loss above its lowest value, as a share of it, that is more than chance."""
MIN_MEASUREMENTS = 3
"""Fewer points of the validation curve tell nothing."""

History = Sequence[Mapping[str, float]]
"""What transformers' Trainer logs: entries with `step` and `loss` or `eval_loss`."""


@dataclass(frozen=True)
class Judgement:
    """The validation loss so far."""

    best_step: int | None
    """The step after the last gain; None before the first measurement."""
    best_loss: float
    without_gain: int
    """Measurements since then."""


def validation_curve(history: History) -> list[tuple[int, float]]:
    """(step, validation loss), in order, each step once."""
    return sorted({int(entry["step"]): float(entry["eval_loss"]) for entry in history if "eval_loss" in entry}.items())


def judge(history: History, min_delta: float) -> Judgement:
    """A measurement is a gain when it is lower than the best before it by more than `min_delta`."""
    judgement = Judgement(None, float("inf"), 0)
    for step, loss in validation_curve(history):
        if loss < judgement.best_loss - min_delta:
            judgement = Judgement(step, loss, 0)
        else:
            judgement = Judgement(judgement.best_step, judgement.best_loss, judgement.without_gain + 1)
    return judgement


def should_stop(history: History, training: TrainingSpec) -> bool:
    """Whether `patience` measurements in a row have shown no gain."""
    rule = training.early_stopping
    return rule is not None and judge(history, float(rule.min_delta)).without_gain >= rule.patience


def account(history: History, training: TrainingSpec, steps: int, total: int, shipped: int) -> str | None:
    """A sentence on what early stopping did to a training that ended after `steps` of `total`; None without it."""
    rule = training.early_stopping
    best = None if rule is None else judge(history, float(rule.min_delta))
    if rule is None or best is None or best.best_step is None:
        return None
    end = (
        f"The training stopped early, at step {steps} of {total}: {best.without_gain} measurements in a row did not "
        f"bring the validation loss down by more than {rule.min_delta}."
        if steps < total
        else f"The training went through all {total} steps."
    )
    return f"{end} The weights of step {shipped} ship, where the validation loss was {best.best_loss:.4f}."


def overfitting(history: History) -> str | None:
    """A sentence when the training overfits, else None.

    The rule: the validation loss has at least three measurements; its last one lies 5 % or more above its lowest; and
    the training loss, as the mean over the steps between two measurements, has fallen since that lowest one.
    """
    curve = validation_curve(history)
    if len(curve) < MIN_MEASUREMENTS:
        return None
    best_step, best = min(curve, key=lambda point: (point[1], point[0]))
    last_step, last = curve[-1]
    if last < best * (1 + OVERFITTING_RISE):
        return None
    then = _mean_loss(history, _measured_before(curve, best_step), best_step)
    now = _mean_loss(history, _measured_before(curve, last_step), last_step)
    if then is None or now is None or now >= then:
        return None
    return (
        f"The training overfits: since step {best_step} the loss on the training rows fell from {then:.4f} to "
        f"{now:.4f}, while on the validation rows it rose from {best:.4f} to {last:.4f}. Train for fewer steps, set "
        "spec.training.earlyStopping, or bring more rows."
    )


def _measured_before(curve: Sequence[tuple[int, float]], step: int) -> int:
    return max((other for other, _ in curve if other < step), default=0)


def _mean_loss(history: History, after: int, until: int) -> float | None:
    losses = [float(entry["loss"]) for entry in history if "loss" in entry and after < entry["step"] <= until]
    return fmean(losses) if losses else None
