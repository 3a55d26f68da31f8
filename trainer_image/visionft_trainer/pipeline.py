"""A run, from its manifest to its result: the stages in their order, one after the other.

Nothing heavy is imported before rows and model files have been found sound, so that a mistake costs a second.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from visionft_api.gates import Gate
from visionft_api.run_file import RunFile
from visionft_api.spec import VisionFineTuneSpec
from visionft_api.status import Artifact, Stage

from visionft_trainer import libraries
from visionft_trainer.artifacts import lineage, publish
from visionft_trainer.artifacts.artifact import seal, stored
from visionft_trainer.evaluation import files as judged_files
from visionft_trainer.evaluation.conclude import decide
from visionft_trainer.evaluation.status_form import evaluation_of
from visionft_trainer.page import stage as page
from visionft_trainer.processes.launch import Member
from visionft_trainer.reporting.progress import Progress
from visionft_trainer.reporting.report import Result, read_result, write_result
from visionft_trainer.settings import Settings
from visionft_trainer.signals import Stop
from visionft_trainer.stages import gather
from visionft_trainer.stages.order import Order, now
from visionft_trainer.stages.take_over import take_over
from visionft_trainer.storage import folder
from visionft_trainer.storage.folder import RunFolder
from visionft_trainer.storage.scratch import scratch_folder
from visionft_trainer.tracking.tracking import open_tracking

if TYPE_CHECKING:
    from visionft_trainer.artifacts.artifact import Artifact as WrittenArtifact

log = logging.getLogger(__name__)


def run(
    run_file: RunFile,
    settings: Settings,
    progress: Progress,
    stop: Stop,
    clock: Callable[[], datetime] = now,
    member: Member | None = None,
) -> Result:
    """Train what `run_file` asks for, or give the result that this run already has.

    What another run of the resource has made already, for a spec with other destinations, is taken over and only
    brought to them.

    `member` is process 0 of several; the others do what `follower` says.

    Raises:
        RunError: as the sentence in it says.
        Interrupted: a signal came; what was reached is kept for the next pod.
    """
    spec = run_file.spec
    place = folder.claim(run_file, settings)
    finished = read_result(place)
    made = finished or read_result(place, place.exported) or take_over(run_file, place, progress, clock())
    if made is not None:
        if member is not None:
            member.release()
        made = _judge_again(made, place, spec.evaluation.parsed_gates)
        if finished is not None and made != finished:
            write_result(place, made)
    page.follow(run_file, settings, place, progress, member)
    tracking = open_tracking(run_file, place)
    if tracking is not None:
        progress.listen(tracking)
    if finished is not None and made is not None:
        log.info(
            "this run was already complete (%s); to run again set spec.runPolicy.rerun to a new text", place.result
        )
        return _tell_again(made, progress)
    publish.check(spec.output, place.owner, settings)
    if made is None:
        with scratch_folder() as scratch:
            made = _train(Order(run_file, settings, progress, stop, clock, place, scratch, member, clock()))
    return _leave(made, spec, settings, progress, clock, place)


def _train(order: Order) -> Result:
    gathered = gather.gather(order)
    libraries.prepare(order.spec.resources, order.settings.device)
    from visionft_trainer.stages import learn, prepare, ship

    ready = prepare.prepare(order, gathered)
    return ship.ship(order, gathered, ready, learn.learn(order, gathered, ready))


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
    on_claim = _on_claim(spec, written, place)
    progress.learn(artifacts=on_claim)
    artifacts = [*on_claim, *publish.publish(spec.output, place.owner, written, settings, progress.tick)]
    progress.learn(artifacts=artifacts)

    progress.enter(Stage.REPORT)
    completed = clock().replace(microsecond=0)  # as it is written: a copy checks nothing
    result = exported.model_copy(update={"artifacts": artifacts, "completion_time": completed})
    page.write(place, result)
    told = seal("report", place.report, lineage.read(place) or {})
    artifacts += [
        *_on_claim(spec, [told], place),
        *publish.publish(spec.output, place.owner, [told], settings, progress.tick),
    ]
    progress.learn(artifacts=artifacts)
    result = result.model_copy(update={"artifacts": artifacts})
    write_result(place, result)
    progress.finish()
    return result


def _tell_again(finished: Result, progress: Progress) -> Result:
    """What listeners hear of a run that was complete."""
    progress.enter(Stage.REPORT)
    progress.learn(
        evaluation=finished.evaluation,
        artifacts=finished.artifacts,
        resolved=finished.resolved,
        data=finished.data,
    )
    progress.finish()
    return finished


def _judge_again(made: Result, place: RunFolder, gates: Sequence[Gate]) -> Result:
    """A stored result held against the gates as they are now: changing them trains and measures nothing anew."""
    judgement = judged_files.read_judgement(place.judgement)
    if judgement is None or judgement.tuned is None:
        return made
    judged = decide(judgement, gates)
    if judged != judgement:
        judged_files.write_judgement(place.judgement, judged)
    return made.model_copy(update={"evaluation": evaluation_of(judged), "failed_gates": judged.failed_gates})


def _on_claim(spec: VisionFineTuneSpec, written: Sequence[WrittenArtifact], place: RunFolder) -> list[Artifact]:
    """Where the claim keeps them, in the status' form; without a claim they are nowhere yet."""
    if spec.output.pvc is None:
        return []
    return [Artifact(kind=it.kind, uri=place.uri(it.folder), digest=it.digest, size=it.size) for it in written]
