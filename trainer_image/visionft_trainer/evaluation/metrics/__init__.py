"""How answers are measured: one module a metric, and one entry in `METRICS`. `docs/metrics.md` says what each means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from visionft_trainer.evaluation.metrics.anls import ANLS
from visionft_trainer.evaluation.metrics.base import Case, Floats, Metric
from visionft_trainer.evaluation.metrics.bleu import BLEU
from visionft_trainer.evaluation.metrics.cider_d import CIDER_D
from visionft_trainer.evaluation.metrics.error_rates import CER, WER
from visionft_trainer.evaluation.metrics.exact_match import EXACT_MATCH
from visionft_trainer.evaluation.metrics.field_f1 import FIELD_F1
from visionft_trainer.evaluation.metrics.grounded_accuracy import GROUNDED_ACCURACY
from visionft_trainer.evaluation.metrics.multiple_choice import MULTIPLE_CHOICE
from visionft_trainer.evaluation.metrics.nted_accuracy import NTED_ACCURACY
from visionft_trainer.evaluation.metrics.relaxed_accuracy import RELAXED_ACCURACY
from visionft_trainer.evaluation.metrics.rouge_l import ROUGE_L

__all__ = ["METRICS", "Case", "Floats", "Metric", "measure"]

METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        CER,
        WER,
        ANLS,
        EXACT_MATCH,
        FIELD_F1,
        NTED_ACCURACY,
        RELAXED_ACCURACY,
        GROUNDED_ACCURACY,
        MULTIPLE_CHOICE,
        BLEU,
        ROUGE_L,
        CIDER_D,
    )
}


def measure(names: Sequence[str], cases: Sequence[Case]) -> dict[str, float]:
    """The named metrics over all cases, of which there is at least one."""
    return {name: float(METRICS[name].value(METRICS[name].statistics(cases).sum(axis=0))) for name in names}
