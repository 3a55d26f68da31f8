"""`visionft-trainer check`: everything that can be known before a model is loaded."""

from __future__ import annotations

from typing import TextIO

from visionft_api.run_file import RunFile
from visionft_api.status import Stage

from visionft_trainer import ingest, libraries, source
from visionft_trainer.progress import Progress
from visionft_trainer.settings import Settings


def check(run_file: RunFile, settings: Settings, progress: Progress, stream: TextIO) -> None:
    """Read and prepare all rows and print what came of it. Raises `RunError`."""
    spec = run_file.spec
    progress.enter(Stage.INGEST)
    data = ingest.ingest(spec, settings, progress.tick)
    files = source.locate(spec.model, settings)
    progress.enter(Stage.PREPROCESS)
    libraries.prepare(spec.resources, settings.device)
    from visionft_trainer import load, preprocess

    processor = load.load_processor(files, spec)
    for split in filter(None, (data.train, data.validation)):
        rows = preprocess.preprocess(split, spec.dataset, processor, files.family, progress.tick)
        longest = max(len(example.input_ids) for example in rows.examples)
        stream.write(f"{split.name}: {len(rows.examples)} rows, at most {longest} tokens\n")
        for reason, count in rows.dropped_by_reason().items():
            stream.write(f"  {count} left out: {reason}\n")
    stream.write(f"model: {files.family.name}\ndata: {data.digest}\n")
