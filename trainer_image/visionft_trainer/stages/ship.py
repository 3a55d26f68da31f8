"""Stages `evaluate` and `export`: the artifact as it ships is measured and written."""

from __future__ import annotations

from visionft_api.status import Stage

from visionft_trainer.artifacts import leaving, lineage, provenance
from visionft_trainer.data.report.model import DataReport
from visionft_trainer.evaluation import files as judged_files
from visionft_trainer.evaluation.judgement import Judgement
from visionft_trainer.evaluation.status_form import evaluation_of
from visionft_trainer.page import stage as page
from visionft_trainer.reporting.report import Result, RowCounts, curve_of, write_result
from visionft_trainer.stages.gather import Gathered
from visionft_trainer.stages.learn import Learnt
from visionft_trainer.stages.order import Order
from visionft_trainer.stages.prepare import Ready


def ship(order: Order, gathered: Gathered, ready: Ready, learnt: Learnt) -> Result:
    """Measure what ships, write it, and keep the result for pods to come. Raises `StorageFailedError`."""
    spec, progress, place, files = order.spec, order.progress, order.place, gathered.files
    # What is measured is what ships: the merged model when one is wanted, else the adapter on its quantised base.
    progress.enter(Stage.EVALUATE)
    shipped = leaving.ship(
        learnt.model,
        spec,
        files,
        ready.plan.whole,
        ready.rows.validation or ready.rows.train,
        ready.processor,
        order.scratch.file("adapter"),
    )
    if shipped.difference is not None:
        progress.note(f"spec.output.mergeBase: Original: {shipped.difference}.")
    judgement = _judge(order, gathered, ready, learnt, shipped)

    progress.enter(Stage.EXPORT)
    origin = provenance.end(learnt.origin, order.clock(), shippedStep=learnt.trained.shipped_step)
    written = leaving.write(
        shipped,
        place.adapter if spec.output.adapter else None,
        place.merged if spec.output.merged else None,
        spec,
        ready.processor,
        origin,
        page.card(place, files),
    )
    lineage.write(place, origin, written)
    result = Result(
        run=place.owner.run,
        spec_hash=order.run_file.spec_hash,
        start_time=order.started,
        completion_time=order.clock(),
        steps=learnt.trained.steps,
        rows=_count_rows(ready.rows.report),
        evaluation=evaluation_of(judgement) if judgement else None,
        failed_gates=judgement.failed_gates if judgement else [],
        artifacts=[],
        resolved=gathered.resolved,
        data=progress.snapshot.data,
        shipped_step=learnt.trained.shipped_step,
        notes=list(progress.snapshot.notes),
        curve=curve_of(learnt.trained.history),
    )
    # From here on a pod that comes after this one has nothing to train any more.
    write_result(place, result, place.exported)
    return result


def _judge(
    order: Order, gathered: Gathered, ready: Ready, learnt: Learnt, shipped: leaving.Shipped
) -> Judgement | None:
    if learnt.suite is None or ready.rows.validation is None:
        return None
    trained, place = learnt.trained, order.place
    after = learnt.suite.tuned(shipped.model, f"step {trained.shipped_step or trained.steps}", order.progress.tick)
    judgement = learnt.suite.judgement(learnt.before, after)
    judged_files.write_answers(place.answers, learnt.suite.answers(learnt.before, after))
    judged_files.write_judgement(place.judgement, judgement)
    page.keep_samples(place, order.spec, ready.rows.validation, ready.processor, gathered.files.family)
    order.progress.learn(evaluation=evaluation_of(judgement))
    return judgement


def _count_rows(report: DataReport) -> dict[str, RowCounts]:
    splits = {"train": report.train, "validation": report.validation}
    return {name: RowCounts(used=split.rows, dropped=split.dropped) for name, split in splits.items() if split}
