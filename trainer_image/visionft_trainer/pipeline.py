"""A run, from its manifest to its result: the stages in their order, one after the other.

Nothing heavy is imported before rows and model files have been found sound, so that a mistake costs a second.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import ValidationError
from visionft_api.gates import Gate
from visionft_api.run_file import RunFile
from visionft_api.spec import VisionFineTuneSpec
from visionft_api.status import Artifact, Resolved, Stage

from visionft_trainer import libraries
from visionft_trainer.artifacts import lineage, publish
from visionft_trainer.artifacts.artifact import seal, stored
from visionft_trainer.data.report.model import DataReport
from visionft_trainer.errors import BadDatasetError, writing_to
from visionft_trainer.evaluation import files as judged_files
from visionft_trainer.evaluation import general
from visionft_trainer.evaluation.conclude import decide
from visionft_trainer.evaluation.status_form import evaluation_of
from visionft_trainer.page import stage as page
from visionft_trainer.prepare import packing
from visionft_trainer.prepare import stage as data_stage
from visionft_trainer.processes.launch import Member
from visionft_trainer.reporting.progress import Progress
from visionft_trainer.reporting.report import Result, RowCounts, curve_of, read_result, write_result
from visionft_trainer.settings import Settings
from visionft_trainer.signals import Stop
from visionft_trainer.sources import model as model_source
from visionft_trainer.sources import model_code
from visionft_trainer.sources.revisions import Revisions
from visionft_trainer.storage import atomic, folder
from visionft_trainer.storage.folder import RunFolder
from visionft_trainer.storage.scratch import Scratch, scratch_folder
from visionft_trainer.tracking.tracking import open_tracking

if TYPE_CHECKING:
    from visionft_trainer.artifacts.artifact import Artifact as WrittenArtifact

log = logging.getLogger(__name__)


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def run(
    run_file: RunFile,
    settings: Settings,
    progress: Progress,
    stop: Stop,
    clock: Callable[[], datetime] = now,
    member: Member | None = None,
) -> Result:
    """Train what `run_file` asks for, or give the result that this run already has.

    `member` is process 0 of several; the others do what `follower` says.

    Raises:
        RunError: as the sentence in it says.
        Interrupted: a signal came; what was reached is kept for the next pod.
    """
    spec = run_file.spec
    place = folder.claim(run_file, settings)
    page.follow(run_file, settings, place, progress, member)
    finished = read_result(place)
    tracking = open_tracking(run_file, place)
    if tracking is not None:
        progress.listen(tracking)
    if finished is not None:
        log.info(
            "this run was already complete (%s); to run again set spec.runPolicy.rerun to a new text", place.result
        )
        finished = _judge_again(finished, place, spec.evaluation.parsed_gates)
        progress.enter(Stage.REPORT)
        progress.learn(
            evaluation=finished.evaluation,
            artifacts=finished.artifacts,
            resolved=finished.resolved,
            data=finished.data,
        )
        progress.finish()
        return finished
    exported = read_result(place, place.exported)
    if exported is None:
        with scratch_folder() as scratch:
            exported = _train(run_file, settings, progress, stop, clock, place, scratch, member)
    return _leave(exported, spec, settings, progress, clock, place)


def _train(
    run_file: RunFile,
    settings: Settings,
    progress: Progress,
    stop: Stop,
    clock: Callable[[], datetime],
    place: RunFolder,
    scratch: Scratch,
    member: Member | None,
) -> Result:
    spec = run_file.spec
    started = clock()
    publish.check(spec.output, place.owner, settings)

    progress.enter(Stage.INGEST)
    begun = read_resolved(place)
    data = data_stage.read(spec, settings, scratch, progress, Revisions(place.sources))
    general_split = general.read(spec, settings, scratch, progress.tick, Revisions(place.sources))
    found = data_stage.inspect(data, spec, progress)
    if begun is not None and begun.dataset_digest != data.digest:
        raise BadDatasetError(
            f"spec.dataset: the data has changed since run {place.owner.run} began, which was interrupted. Bring the "
            "old data back, or set spec.runPolicy.rerun to a new text to begin the next run with the new data."
        )
    files = model_source.locate(spec.model, settings, commit=begun.model_revision if begun else None)
    model_code.try_code(files, spec, settings)
    packing.check(spec.training, files.family)
    resolved = Resolved(model_revision=files.revision, dataset_digest=data.digest, spec_hash=run_file.spec_hash)
    progress.learn(resolved=resolved)

    progress.enter(Stage.PREPROCESS)
    libraries.prepare(spec.resources, settings.device)
    from visionft_trainer.artifacts import leaving, provenance
    from visionft_trainer.estimate import plan
    from visionft_trainer.evaluation import suite
    from visionft_trainer.model import adapt, load
    from visionft_trainer.processes import distributed, sharding, shared
    from visionft_trainer.training import train, weights

    sharding.check(spec)
    device = load.choose_device(spec, settings)
    processor = load.load_processor(files, spec)
    prepared = data_stage.prepare(data, found, spec, processor, files.family, scratch, progress, general_split)
    train_rows, validation_rows = prepared.train, prepared.validation
    # Not before: rows that are refused may still be mended, and the run goes on with the mended ones.
    with writing_to(place.resolved):
        atomic.write_text(place.resolved, resolved.model_dump_json(by_alias=True, exclude_none=True) + "\n")
    with writing_to(place.data_report):
        data_stage.write_report(place.data_report, prepared.report)
    for warning in prepared.report.warnings:
        log.warning("%s: %s", warning.reason, warning.message)

    planned = plan.make(spec, files, train_rows, device, load.choose_dtype(device), progress, member)
    batching = planned.batching

    progress.enter(Stage.LOAD)
    origin = lineage.begin(run_file, place, settings, data, files, Revisions(place.sources), started)
    team = distributed.Team()
    if member is not None:
        shared.publish(
            shared.Shared(files, train_rows, validation_rows, place.checkpoints, batching), processor, member.folder
        )
        team = distributed.join(member, on_gpu=device.type == "cuda")
    model = load.load_model(files, spec, device, load.CPU if batching.sharded else device)

    measuring = None
    before = None
    if validation_rows is not None:
        digest = data.digest if general_split is None else f"{data.digest} {general_split.digest}"
        rows = suite.Rows(validation_rows, digest, train_rows, prepared.general)
        measuring = suite.suite_of(spec, rows, processor, files.family, place.measured)
        for note in measuring.plan.notes:
            progress.note(note)
        if spec.evaluation.baseline:
            progress.enter(Stage.BASELINE)
            if batching.sharded:
                model.to(planned.whole)
            before = measuring.baseline(model, f"base {files.revision}", progress.tick)
            progress.learn(evaluation=evaluation_of(measuring.judgement(before, None)))

    progress.enter(Stage.ADAPT)
    if batching.sharded:  # as the other processes have it
        sharding.to_cpu(model)
    model = adapt.adapt(model, spec, files.family, files.identity)
    if batching.sharded:
        sharding.shard(model, files.family, team, device)

    progress.enter(Stage.TRAIN)
    with stop.at_step_end():
        trained = train.train(
            model,
            spec,
            train_rows,
            validation_rows,
            processor,
            files.family,
            place.checkpoints,
            progress,
            batching,
            stop.requested,
            team,
        )
    if trained.interrupted or stop.requested():
        raise stop.interruption()
    values = weights.trainable(model) if batching.sharded else None
    distributed.leave()
    if values is not None:  # whole again, where there is room for it
        del model
        sharding.free()
        model = load.load_model(files, spec, device, planned.whole)
        model = adapt.adapt(model, spec, files.family, files.identity)
        weights.assign(model, values)

    # What is measured is what ships: the merged model when one is wanted, else the adapter on its quantised base.
    progress.enter(Stage.EVALUATE)
    shipped = leaving.ship(
        model, spec, files, planned.whole, validation_rows or train_rows, processor, scratch.file("adapter")
    )
    model = shipped.model
    if shipped.difference is not None:
        progress.note(f"spec.output.mergeBase: Original: {shipped.difference}.")
    judgement = None
    if measuring is not None:
        after = measuring.tuned(model, f"step {trained.shipped_step or trained.steps}", progress.tick)
        judgement = measuring.judgement(before, after)
        judged_files.write_answers(place.answers, measuring.answers(before, after))
        judged_files.write_judgement(place.judgement, judgement)
        assert validation_rows is not None  # they are what was measured
        page.keep_samples(place, spec, validation_rows, processor, files.family)
        progress.learn(evaluation=evaluation_of(judgement))

    progress.enter(Stage.EXPORT)
    origin = provenance.end(origin, clock(), shippedStep=trained.shipped_step)
    written = leaving.write(
        shipped,
        place.adapter if spec.output.adapter else None,
        place.merged if spec.output.merged else None,
        spec,
        processor,
        origin,
        page.card(place, files),
    )
    lineage.write(place, origin, written)
    result = Result(
        run=place.owner.run,
        spec_hash=run_file.spec_hash,
        start_time=started,
        completion_time=clock(),
        steps=trained.steps,
        rows=_count_rows(prepared.report),
        evaluation=evaluation_of(judgement) if judgement else None,
        failed_gates=judgement.failed_gates if judgement else [],
        artifacts=[],
        resolved=resolved,
        data=progress.snapshot.data,
        shipped_step=trained.shipped_step,
        notes=list(progress.snapshot.notes),
        curve=curve_of(trained.history),
    )
    # From here on a pod that comes after this one has nothing to train any more.
    write_result(place, result, place.exported)
    return result


def _leave(
    exported: Result,
    spec: VisionFineTuneSpec,
    settings: Settings,
    progress: Progress,
    clock: Callable[[], datetime],
    place: RunFolder,
) -> Result:
    """Bring the artifacts to where they are wanted, and complete the run."""
    progress.enter(Stage.EXPORT)
    progress.learn(evaluation=exported.evaluation, resolved=exported.resolved, data=exported.data)
    written = stored(place.artifacts)
    on_claim = [_status_form(artifact, place) for artifact in written] if spec.output.pvc is not None else []
    progress.learn(artifacts=on_claim)
    artifacts = [*on_claim, *publish.publish(spec.output, place.owner, written, settings, progress.tick)]
    progress.learn(artifacts=artifacts)

    progress.enter(Stage.REPORT)
    completed = clock().replace(microsecond=0)  # as it is written: a copy checks nothing
    result = exported.model_copy(update={"artifacts": artifacts, "completion_time": completed})
    page.write(place, result)
    told = seal("report", place.report, lineage.read(place) or {})
    on_claim = [_status_form(told, place)] if spec.output.pvc is not None else []
    artifacts += [*on_claim, *publish.publish(spec.output, place.owner, [told], settings, progress.tick)]
    progress.learn(artifacts=artifacts)
    result = result.model_copy(update={"artifacts": artifacts})
    write_result(place, result)
    progress.finish()
    return result


def read_resolved(place: RunFolder) -> Resolved | None:
    """What an earlier pod of this run began with."""
    try:
        return Resolved.model_validate_json(place.resolved.read_bytes())
    except (OSError, ValidationError):
        return None


def _judge_again(finished: Result, place: RunFolder, gates: Sequence[Gate]) -> Result:
    """A stored result held against the gates as they are now: changing them trains and measures nothing anew."""
    judgement = judged_files.read_judgement(place.judgement)
    if judgement is None or judgement.tuned is None:
        return finished
    judged = decide(judgement, gates)
    if judged != judgement:
        judged_files.write_judgement(place.judgement, judged)
    return finished.model_copy(update={"evaluation": evaluation_of(judged), "failed_gates": judged.failed_gates})


def _status_form(artifact: WrittenArtifact, place: RunFolder) -> Artifact:
    return Artifact(kind=artifact.kind, uri=place.uri(artifact.folder), digest=artifact.digest, size=artifact.size)


def _count_rows(report: DataReport) -> dict[str, RowCounts]:
    splits = {"train": report.train, "validation": report.validation}
    return {name: RowCounts(used=split.rows, dropped=split.dropped) for name, split in splits.items() if split}
