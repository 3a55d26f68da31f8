"""Stages `baseline` and `evaluate`: all that is measured of a model, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visionft_api.spec import VisionFineTuneSpec

from visionft_trainer.evaluation.alternatives import question_of
from visionft_trainer.evaluation.asking import Asker
from visionft_trainer.evaluation.judge import Judge, statistics_of
from visionft_trainer.evaluation.judgement import Judgement
from visionft_trainer.evaluation.metrics import METRICS
from visionft_trainer.evaluation.rounds import Examiner, Plan, Round, plan
from visionft_trainer.families import Family
from visionft_trainer.prepare.preprocess import Prepared


@dataclass(frozen=True)
class Rows:
    """What models are measured on."""

    validation: Prepared
    data: str
    """Digest that names the version of the rows."""
    train: Prepared | None = None
    """Where few-shot examples come from."""
    general: Prepared | None = None


@dataclass(frozen=True)
class Suite:
    """Measures models on the same rows and judges them."""

    examiner: Examiner
    judge: Judge

    @property
    def plan(self) -> Plan:
        """What is asked."""
        return self.examiner.plan

    def baseline(self, model: Any, name: str, tick: Callable[[int, int], None] = lambda *_: None) -> Round:
        """Measure a model as the base: in every way of asking. `name` tells its weights from others."""
        return self.examiner.base(model, name, tick)

    def tuned(self, model: Any, name: str, tick: Callable[[int, int], None] = lambda *_: None) -> Round:
        """Measure a model as the result."""
        return self.examiner.tuned(model, name, tick)

    def judgement(self, before: Round | None, after: Round | None) -> Judgement:
        """What follows."""
        return self.judge.judge(before, after)

    def answers(self, before: Round | None, after: Round | None) -> list[dict[str, Any]]:
        """A line of `answers.jsonl` for each measured row."""
        rows = [example.row for example in self.plan.plain.examples]
        lines: list[dict[str, Any]] = [
            {
                "index": index,
                "file": row.where.file,
                "row": row.where.row,
                "prompt": question_of(row),
                "reference": row.answer,
                "references": list(row.references),
                "scores": {},
            }
            for index, row in enumerate(rows)
        ]
        for name, answered in (("baseline", before), ("tuned", after)):
            if answered is None:
                continue
            statistics = statistics_of(self.judge.metrics, rows, answered.plain.items)
            scores = {metric: METRICS[metric].row_scores(counts).tolist() for metric, counts in statistics.items()}
            for index, line in enumerate(lines):
                line[name] = answered.plain.items[index].text
                line["scores"][name] = {metric: values[index] for metric, values in scores.items()}
        return lines


def suite_of(spec: VisionFineTuneSpec, rows: Rows, processor: Any, family: Family, folder: Path | None = None) -> Suite:
    """The suite that `spec` asks for; answers are kept in `folder` where one is given."""
    evaluation = spec.evaluation
    seed = spec.training.seed

    def asker(prepared: Prepared) -> Asker:
        count = min(len(prepared.examples), evaluation.max_samples or len(prepared.examples))
        return Asker(prepared, count, spec.dataset, processor, family, seed)

    general = asker(rows.general) if rows.general is not None else None
    planned = plan(evaluation, asker(rows.validation), rows.train, general)
    metrics = list(evaluation.metrics)
    general_metrics: Sequence[str] = (evaluation.general.metrics if evaluation.general else None) or metrics
    return Suite(
        Examiner(planned, evaluation, processor, family, rows.data, folder),
        Judge(planned, metrics, evaluation.parsed_gates, general_metrics),
    )
