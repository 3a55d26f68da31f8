"""Stage `ingest`: rows and model files are on this machine and found sound. Nothing heavy is imported for it."""

from __future__ import annotations

from dataclasses import dataclass

from visionft_api.status import Resolved, Stage

from visionft_trainer.data.ingest import Dataset, Split
from visionft_trainer.data.report.model import DataReport
from visionft_trainer.errors import BadDatasetError
from visionft_trainer.evaluation import general
from visionft_trainer.prepare import packing
from visionft_trainer.prepare import stage as data_stage
from visionft_trainer.sources import model as model_source
from visionft_trainer.sources import model_code
from visionft_trainer.sources.model_files import ModelFiles
from visionft_trainer.sources.revisions import Revisions
from visionft_trainer.stages.order import Order
from visionft_trainer.storage.resolved import read_resolved


@dataclass(frozen=True)
class Gathered:
    """What the run is made from."""

    data: Dataset
    found: DataReport
    """In the data as a whole."""
    general: Split | None
    """Rows on which forgetting is measured."""
    files: ModelFiles
    resolved: Resolved


def gather(order: Order) -> Gathered:
    """Bring everything here and look at it.

    Raises:
        BadDatasetError: rows cannot be used, or are others than those that this run began with.
        BadModelError: the model cannot be trained.
        RunError: something cannot be reached.
    """
    spec, settings, progress, place = order.spec, order.settings, order.progress, order.place
    progress.enter(Stage.INGEST)
    begun = read_resolved(place)
    revisions = Revisions(place.sources)
    data = data_stage.read(spec, settings, order.scratch, progress, revisions)
    general_rows = general.read(spec, settings, order.scratch, progress.tick, revisions)
    found = data_stage.inspect(data, spec, progress)
    if begun is not None and begun.dataset_digest != data.digest:
        raise BadDatasetError(
            f"spec.dataset: the data has changed since run {place.owner.run} began, which was interrupted. Bring the "
            "old data back, or set spec.runPolicy.rerun to a new text to begin the next run with the new data."
        )
    files = model_source.locate(spec.model, settings, commit=begun.model_revision if begun else None)
    model_code.try_code(files, spec, settings)
    packing.check(spec.training, files.family)
    resolved = Resolved(model_revision=files.revision, dataset_digest=data.digest, spec_hash=order.run_file.spec_hash)
    progress.learn(resolved=resolved)
    return Gathered(data, found, general_rows, files, resolved)
