"""`visionft-trainer check`: everything that can be known before a model is loaded."""

from __future__ import annotations

from typing import TextIO

from visionft_api.run_file import RunFile
from visionft_api.status import Stage

from visionft_trainer import ingest, libraries
from visionft_trainer.progress import Progress
from visionft_trainer.scratch import Scratch, scratch_folder
from visionft_trainer.settings import Settings
from visionft_trainer.sources import model as model_source


def check(run_file: RunFile, settings: Settings, progress: Progress, stream: TextIO) -> None:
    """Read and prepare all rows and print what came of it. Raises `RunError`."""
    with scratch_folder() as scratch:
        _check(run_file, settings, progress, stream, scratch)


def _check(run_file: RunFile, settings: Settings, progress: Progress, stream: TextIO, scratch: Scratch) -> None:
    spec = run_file.spec
    progress.enter(Stage.INGEST)
    data = ingest.ingest(spec, settings, scratch, progress.tick)
    files = model_source.locate(spec.model, settings)
    progress.enter(Stage.PREPROCESS)
    libraries.prepare(spec.resources, settings.device)
    from visionft_trainer import load, preprocess

    processor = load.load_processor(files, spec)
    for split in filter(None, (data.train, data.validation)):
        rows = preprocess.preprocess(split, spec.dataset, processor, files.family, scratch, progress.tick)
        longest = int(rows.lengths.max())
        stream.write(f"{split.name}: {len(rows.examples)} rows, at most {longest} tokens\n")
        for reason, count in rows.dropped_by_reason().items():
            stream.write(f"  {count} left out: {reason}\n")
    stream.write(f"model: {files.family.name}\ndata: {data.digest}\n")
