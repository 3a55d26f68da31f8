"""`visionft-trainer check`: everything that can be known before a model is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

from visionft_api.run_file import RunFile
from visionft_api.status import Stage

from visionft_trainer import data_stage, ingest, libraries, packing
from visionft_trainer.data_report.model import DataReport
from visionft_trainer.data_report.table import print_report
from visionft_trainer.errors import writing_to
from visionft_trainer.progress import Progress
from visionft_trainer.scratch import Scratch, scratch_folder
from visionft_trainer.settings import Settings
from visionft_trainer.sources import model as model_source
from visionft_trainer.sources import model_code


def check(
    run_file: RunFile, settings: Settings, progress: Progress, stream: TextIO, report_file: Path | None = None
) -> None:
    """Read and prepare all rows, print what was found and write it to `report_file`. Raises `RunError`."""
    with scratch_folder() as scratch:
        report, family = _examine(run_file, settings, progress, scratch)
    print_report(report, stream)
    stream.write(f"model: {family}\n")
    if report_file is not None:
        with writing_to(report_file):
            data_stage.write_report(report_file, report)


def _examine(run_file: RunFile, settings: Settings, progress: Progress, scratch: Scratch) -> tuple[DataReport, str]:
    """The report and the name of the model's family."""
    spec = run_file.spec
    progress.enter(Stage.INGEST)
    data = ingest.ingest(spec, settings, scratch, progress.tick)
    found = data_stage.inspect(data, spec, progress)
    files = model_source.locate(spec.model, settings, weights=False)
    model_code.try_code(files, spec, settings)
    packing.check(spec.training, files.family)
    progress.enter(Stage.PREPROCESS)
    libraries.prepare(spec.resources, settings.device)
    from visionft_trainer import load

    processor = load.load_processor(files, spec)
    prepared = data_stage.prepare(data, found, spec, processor, files.family, scratch, progress)
    return prepared.report, files.family.name
