"""A run, from its manifest to its result: the stages in their order, one after the other.

Nothing heavy is imported before rows and model files have been found sound, so that a mistake costs a second.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from visionft_api.gates import Gate
from visionft_api.run_file import RunFile
from visionft_api.spec import VisionFineTuneSpec
from visionft_api.status import Artifact, Resolved, Stage

from visionft_trainer import libraries
from visionft_trainer.artifacts import publish
from visionft_trainer.artifacts.artifact import stored
from visionft_trainer.data import ingest
from visionft_trainer.data.report.model import DataReport
from visionft_trainer.errors import BadDatasetError, writing_to
from visionft_trainer.evaluation.verdict import evaluation_of, failed_gates, verdict_of
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

if TYPE_CHECKING:
    from visionft_trainer.artifacts.artifact import Artifact as WrittenArtifact
    from visionft_trainer.evaluation.evaluate import Measurement
    from visionft_trainer.prepare.preprocess import Prepared

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
    finished = read_result(place)
    if finished is not None:
        log.warning(
            "this run was already complete (%s); to run again set spec.runPolicy.rerun to a new text", place.result
        )
        finished = _judge_again(finished, spec.evaluation.parsed_gates)
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

    progress.enter(Stage.INGEST)
    begun = read_resolved(place)
    data = ingest.ingest(spec, settings, scratch, progress.tick, Revisions(place.sources))
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
    with writing_to(place.resolved):
        atomic.write_text(place.resolved, resolved.model_dump_json(by_alias=True, exclude_none=True) + "\n")
    progress.learn(resolved=resolved)

    progress.enter(Stage.PREPROCESS)
    libraries.prepare(spec.resources, settings.device)
    from visionft_trainer.artifacts import leaving, lineage, provenance
    from visionft_trainer.estimate import plan
    from visionft_trainer.evaluation import evaluate
    from visionft_trainer.model import adapt, load
    from visionft_trainer.processes import distributed, sharding, shared
    from visionft_trainer.training import train

    sharding.check(spec)
    device = load.choose_device(spec, settings)
    processor = load.load_processor(files, spec)
    prepared = data_stage.prepare(data, found, spec, processor, files.family, scratch, progress)
    train_rows, validation_rows = prepared.train, prepared.validation
    with writing_to(place.data_report):
        data_stage.write_report(place.data_report, prepared.report)
    for warning in prepared.report.warnings:
        log.warning("%s: %s", warning.reason, warning.message)

    batching = plan.batching_for(
        spec, files, train_rows, device, load.choose_dtype(device), progress, member
    )

    progress.enter(Stage.LOAD)
    origin = lineage.begin(run_file, place, settings, data, files, Revisions(place.sources), started)
    team = distributed.Team()
    if member is not None:
        shared.publish(
            shared.Shared(files, train_rows, validation_rows, place.checkpoints, batching), processor, member.folder
        )
        team = distributed.join(member, on_gpu=device.type == "cuda")
    model = load.load_model(files, spec, device)

    def measure(measured: Any) -> Measurement:
        assert validation_rows is not None
        return evaluate.evaluate(measured, validation_rows, spec.evaluation, processor, files.family, progress.tick)

    gates = spec.evaluation.parsed_gates
    samples = len(evaluate.measured_examples(validation_rows, spec.evaluation)) if validation_rows else 0
    before = None
    if validation_rows is not None and spec.evaluation.baseline:
        progress.enter(Stage.BASELINE)
        before = _once(place, lambda: measure(model))
        progress.learn(evaluation=evaluation_of(before.metrics, None, gates, samples))

    progress.enter(Stage.ADAPT)
    model = adapt.adapt(model, spec, files.family, files.identity)
    if batching.sharded:
        sharding.shard(model, files.family, team)

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
    if sharding.is_sharded(model):
        model = sharding.gather(
            model,
            team,
            lambda: adapt.adapt(load.load_model(files, spec, device), spec, files.family, files.identity),
        )
    distributed.leave()

    # What is measured is what ships: the merged model when one is wanted, else the adapter on its quantised base.
    progress.enter(Stage.EVALUATE)
    shipped = leaving.ship(
        model, spec, files, device, validation_rows or train_rows, processor, scratch.file("adapter")
    )
    model = shipped.model
    if shipped.difference is not None:
        progress.note(f"spec.output.mergeBase: Original: {shipped.difference}.")
    evaluation = None
    missed: list[str] = []
    if validation_rows is not None:
        after = measure(model)
        evaluation = evaluation_of(before.metrics if before else None, after.metrics, gates, samples)
        missed = failed_gates(gates, after.metrics)
        _write_answers(place, validation_rows, before, after)
        progress.learn(evaluation=evaluation)

    progress.enter(Stage.EXPORT)
    origin = provenance.end(origin, clock(), shippedStep=trained.shipped_step)
    written = leaving.write(
        shipped,
        place.adapter if spec.output.adapter else None,
        place.merged if spec.output.merged else None,
        spec,
        processor,
        origin,
    )
    lineage.write(place, origin, written)
    result = Result(
        run=place.owner.run,
        spec_hash=run_file.spec_hash,
        start_time=started,
        completion_time=clock(),
        steps=trained.steps,
        rows=_count_rows(prepared.report),
        evaluation=evaluation,
        failed_gates=missed,
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
    artifacts = [*on_claim, *publish.publish(spec.output, place.owner.run, written, settings, progress.tick)]
    progress.learn(artifacts=artifacts)

    progress.enter(Stage.REPORT)
    result = exported.model_copy(update={"artifacts": artifacts, "completion_time": clock()})
    write_result(place, result)
    progress.finish()
    return result


def read_resolved(place: RunFolder) -> Resolved | None:
    """What an earlier pod of this run began with."""
    try:
        return Resolved.model_validate_json(place.resolved.read_bytes())
    except (OSError, ValidationError):
        return None


def _judge_again(finished: Result, gates: Sequence[Gate]) -> Result:
    """A stored result held against the gates as they are now: changing them trains nothing anew."""
    if finished.evaluation is None or finished.evaluation.tuned is None:
        return finished
    tuned = {name: float(value) for name, value in finished.evaluation.tuned.items()}
    evaluation = finished.evaluation.model_copy(update={"verdict": verdict_of(gates, tuned)})
    return finished.model_copy(update={"evaluation": evaluation, "failed_gates": failed_gates(gates, tuned)})


def _once(place: RunFolder, measure: Callable[[], Measurement]) -> Measurement:
    """Measure the base model, or read what an interrupted pod of this run has measured."""
    from visionft_trainer.evaluation.evaluate import Measurement

    try:
        stored = json.loads(place.baseline.read_text(encoding="utf-8"))
        return Measurement(stored["metrics"], tuple(stored["answers"]))
    except (OSError, ValueError, KeyError, TypeError):
        measurement = measure()
        with writing_to(place.baseline):
            text = json.dumps({"metrics": measurement.metrics, "answers": measurement.answers}, indent=2)
            atomic.write_text(place.baseline, text + "\n")
        return measurement


def _write_answers(place: RunFolder, rows: Prepared, before: Measurement | None, after: Measurement) -> None:
    lines = []
    for index, answer in enumerate(after.answers):
        row = rows.examples[index].row
        entry = {"row": row.where.row, "reference": row.answer, "tuned": answer}
        if before is not None:
            entry["baseline"] = before.answers[index]
        lines.append(json.dumps(entry, ensure_ascii=False) + "\n")
    with writing_to(place.answers):
        atomic.write_text(place.answers, "".join(lines))


def _status_form(artifact: WrittenArtifact, place: RunFolder) -> Artifact:
    return Artifact(kind=artifact.kind, uri=place.uri(artifact.folder), digest=artifact.digest, size=artifact.size)


def _count_rows(report: DataReport) -> dict[str, RowCounts]:
    splits = {"train": report.train, "validation": report.validation}
    return {name: RowCounts(used=split.rows, dropped=split.dropped) for name, split in splits.items() if split}
