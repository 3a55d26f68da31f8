"""Stages `load` to `train`: the base model, how it answers, and what it becomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from visionft_api.status import Stage

from visionft_trainer.artifacts import lineage
from visionft_trainer.artifacts.provenance import Origin
from visionft_trainer.evaluation.rounds import Round
from visionft_trainer.evaluation.status_form import evaluation_of
from visionft_trainer.evaluation.suite import Rows, Suite, suite_of
from visionft_trainer.model import adapt, load
from visionft_trainer.processes import distributed, sharding, shared
from visionft_trainer.sources.revisions import Revisions
from visionft_trainer.stages.gather import Gathered
from visionft_trainer.stages.order import Order
from visionft_trainer.stages.prepare import Ready
from visionft_trainer.training import train, weights


@dataclass(frozen=True)
class Learnt:
    """A model that was trained, and what is known of the base that it came from."""

    model: Any
    """Whole, on the plan's device."""
    trained: train.Trained
    suite: Suite | None
    """How answers are measured; None without validation rows."""
    before: Round | None
    origin: Origin
    """What it was made from, for the artifacts' provenance."""


def learn(order: Order, gathered: Gathered, ready: Ready) -> Learnt:
    """Load, measure, adapt and train.

    Raises:
        Interrupted: a signal came; a checkpoint is kept for the next pod.
        RunError: as its sentence says.
    """
    spec, progress, files = order.spec, order.progress, gathered.files
    batching = ready.plan.batching
    progress.enter(Stage.LOAD)
    revisions = Revisions(order.place.sources)
    origin = lineage.begin(order.run_file, order.place, order.settings, gathered.data, files, revisions, order.started)
    team = _meet(order, gathered, ready)
    model = load.load_model(files, spec, ready.device, load.CPU if batching.sharded else ready.device)
    suite = _suite(order, gathered, ready)
    before = None
    if suite is not None and spec.evaluation.baseline:
        progress.enter(Stage.BASELINE)
        if batching.sharded:
            model.to(ready.plan.whole)
        before = suite.baseline(model, f"base {files.revision}", progress.tick)
        progress.learn(evaluation=evaluation_of(suite.judgement(before, None)))

    progress.enter(Stage.ADAPT)
    if batching.sharded:  # as the other processes have it
        sharding.to_cpu(model)
    model = adapt.adapt(model, spec, files.family, files.identity)
    if batching.sharded:
        sharding.shard(model, files.family, team, ready.device)

    progress.enter(Stage.TRAIN)
    with order.stop.at_step_end():
        trained = train.train(
            model,
            spec,
            ready.rows.train,
            ready.rows.validation,
            ready.processor,
            files.family,
            order.place.checkpoints,
            progress,
            batching,
            order.stop.requested,
            team,
        )
    if trained.interrupted or order.stop.requested():
        raise order.stop.interruption()
    values = weights.trainable(model) if batching.sharded else None
    distributed.leave()
    if values is not None:  # whole again, where there is room for it
        del model
        sharding.free()
        model = load.load_model(files, spec, ready.device, ready.plan.whole)
        model = adapt.adapt(model, spec, files.family, files.identity)
        weights.assign(model, values)
    return Learnt(model, trained, suite, before, origin)


def _meet(order: Order, gathered: Gathered, ready: Ready) -> distributed.Team:
    """Hand the other processes what they need, and meet them; alone there is nobody to meet."""
    if order.member is None:
        return distributed.Team()
    told = shared.Shared(
        gathered.files, ready.rows.train, ready.rows.validation, order.place.checkpoints, ready.plan.batching
    )
    shared.publish(told, ready.processor, order.member.folder)
    return distributed.join(order.member, on_gpu=ready.device.type == "cuda")


def _suite(order: Order, gathered: Gathered, ready: Ready) -> Suite | None:
    if ready.rows.validation is None:
        return None
    digest = gathered.data.digest
    if gathered.general is not None:
        digest += f" {gathered.general.digest}"
    rows = Rows(ready.rows.validation, digest, ready.rows.train, ready.rows.general)
    suite = suite_of(order.spec, rows, ready.processor, gathered.files.family, order.place.measured)
    for note in suite.plan.notes:
        order.progress.note(note)
    return suite
