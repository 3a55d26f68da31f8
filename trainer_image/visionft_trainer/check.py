"""`visionft-trainer check`: everything that can be known before a model is loaded."""

from __future__ import annotations

from dataclasses import dataclass

from visionft_api.run_file import RunFile
from visionft_api.status import Stage

from visionft_trainer import libraries
from visionft_trainer.data.report.model import DataReport
from visionft_trainer.evaluation import general
from visionft_trainer.prepare import packing
from visionft_trainer.prepare import stage as data_stage
from visionft_trainer.reporting.progress import Progress
from visionft_trainer.settings import Settings
from visionft_trainer.sources import model as model_source
from visionft_trainer.sources import model_code
from visionft_trainer.storage.scratch import scratch_folder


@dataclass(frozen=True)
class Checked:
    """What was found."""

    report: DataReport
    family: str
    """Name of the model's family."""


def check(run_file: RunFile, settings: Settings, progress: Progress) -> Checked:
    """Read and prepare all rows. Raises `RunError` for what would end the run."""
    spec = run_file.spec
    with scratch_folder() as scratch:
        progress.enter(Stage.INGEST)
        data = data_stage.read(spec, settings, scratch, progress)
        general_split = general.read(spec, settings, scratch, progress.tick)
        found = data_stage.inspect(data, spec, progress)
        files = model_source.locate(spec.model, settings, weights=False)
        model_code.try_code(files, spec, settings)
        packing.check(spec.training, files.family)
        progress.enter(Stage.PREPROCESS)
        libraries.prepare(spec.resources, settings.device)
        from visionft_trainer.model import load

        processor = load.load_processor(files, spec)
        prepared = data_stage.prepare(data, found, spec, processor, files.family, scratch, progress, general_split)
    return Checked(prepared.report, files.family.name)
