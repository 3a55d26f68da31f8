"""In place of the stages up to `export`: what another run of the resource has made, for a spec with other destinations.

Its files are taken into the folder of this run: those of artifacts and samples as hard links where the file system has
them, so that nothing is held twice and either run may be removed. Neither data nor model is read for it. What is linked
is never written to again: a writer replaces whole files and folders (`storage.atomic`).
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from datetime import datetime

from pydantic import ValidationError
from visionft_api.hashing import work_hash
from visionft_api.run_file import RunFile
from visionft_api.spec import VisionFineTuneSpec
from visionft_api.status import Stage

from visionft_trainer.artifacts import verify
from visionft_trainer.errors import writing_to
from visionft_trainer.page import cost
from visionft_trainer.reporting.progress import Progress
from visionft_trainer.reporting.report import Result, read_result, write_result
from visionft_trainer.storage import atomic, folder
from visionft_trainer.storage.folder import RunFolder
from visionft_trainer.storage.plain_files import read_bytes
from visionft_trainer.storage.resolved import write_resolved

log = logging.getLogger(__name__)


def take_over(run_file: RunFile, place: RunFolder, progress: Progress, started: datetime) -> Result | None:
    """The result up to `export`, and the files that belong to it, from the latest run that made what is asked for.

    None where there is no such run: then this one has to train. A process that is interrupted here leaves a folder
    without `exported.json`, and the next one begins again.

    Raises:
        StorageFailedError: the folder cannot be written.
    """
    for earlier in _same_work(run_file, place):
        made = read_result(earlier, earlier.exported)
        if made is None:
            continue
        log.info("run %s has trained the same; what it made is held against its digests", earlier.owner.run)
        problem = next(_problems(earlier, run_file.spec), None)
        if problem is None:
            with writing_to(place.path):
                return _take(earlier, made, place, progress, started)
        progress.note(
            f"Run {earlier.owner.run} has trained what run {place.owner.run} asks for, but {problem}, so it is not "
            "taken over."
        )
    return None


def _same_work(run_file: RunFile, place: RunFolder) -> Iterator[RunFolder]:
    wanted = work_hash(run_file.spec)
    for other in folder.others(place):
        try:
            its = RunFile.model_validate_json(read_bytes(other.run_file))
        except (OSError, ValidationError):
            continue
        if work_hash(its.spec) == wanted:
            yield other


def _problems(earlier: RunFolder, spec: VisionFineTuneSpec) -> Iterator[str]:
    """What keeps its artifacts from being taken."""
    wanted = {"adapter": spec.output.adapter and spec.adapter.method != "full", "merged": spec.output.merged}
    for kind, path in earlier.artifacts.items():
        if not wanted[kind]:
            continue
        try:
            problem = verify.verify(verify.FolderCopy(path)).problem
        except OSError as error:
            yield f"its {kind} cannot be read ({error})"
            continue
        if problem is not None:
            yield f"its {kind} is not as it was written ({problem.file}: {problem.detail})"


def _take(earlier: RunFolder, made: Result, place: RunFolder, progress: Progress, started: datetime) -> Result:
    progress.enter(Stage.EXPORT)
    for source, target in (
        (earlier.adapter, place.adapter),
        (earlier.merged, place.merged),
        (earlier.samples, place.samples),
    ):
        if source.is_dir():
            with atomic.new_folder(target) as draft:
                shutil.copytree(source, draft, copy_function=_link, dirs_exist_ok=True)
    for source, target in (
        (earlier.answers, place.answers),
        (earlier.judgement, place.judgement),
        (earlier.data_report, place.data_report),
        (earlier.sources, place.sources),
        (earlier.provenance, place.provenance),
    ):
        if source.is_file():
            atomic.write_text(target, source.read_text(encoding="utf-8"))
    atomic.write_text(place.cost, cost.to_text(cost.of_run(cost.read_cost(earlier.cost), earlier.owner.run)))
    resolved = made.resolved.model_copy(update={"spec_hash": place.owner.spec_hash})
    write_resolved(place, resolved)
    trained_in = made.trained_in or made.run
    told = _told(place.owner.run, trained_in)
    progress.note(told, logging.INFO)
    before = _told(made.run, made.trained_in) if made.trained_in else None
    result = made.model_copy(
        update={
            "run": place.owner.run,
            "spec_hash": place.owner.spec_hash,
            "start_time": started,
            "completion_time": started,
            "resolved": resolved,
            "trained_in": trained_in,
            "notes": [told, *(note for note in made.notes if note != before)],
        }
    )
    # Last: from here on a pod that comes after this one has nothing to take over any more.
    write_result(place, result, place.exported)
    return result


def _told(run: int, trained_in: int) -> str:
    return (
        f"Run {run} takes over what run {trained_in} trained: their specs differ in destinations alone. To train "
        "anew, set spec.runPolicy.rerun to a new text."
    )


def _link(source: str, target: str) -> None:
    """The same file under another name; a copy of it on a file system that has one name for each file."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy(source, target)
