"""What a run is made from, noted while it begins: the predicate of its provenance, in RUN/provenance.json."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from visionft_api.run_file import RunFile

from visionft_trainer.artifacts import provenance
from visionft_trainer.artifacts.artifact import Artifact
from visionft_trainer.artifacts.provenance import Dependency, Origin
from visionft_trainer.data.ingest import Dataset
from visionft_trainer.errors import writing_to
from visionft_trainer.settings import Settings
from visionft_trainer.sources.model_files import ModelFiles
from visionft_trainer.sources.revisions import Revisions
from visionft_trainer.storage import atomic, digest
from visionft_trainer.storage.folder import RunFolder
from visionft_trainer.storage.plain_files import read_text


def begin(
    run_file: RunFile,
    place: RunFolder,
    settings: Settings,
    data: Dataset,
    files: ModelFiles,
    revisions: Revisions,
    started: datetime,
) -> Origin:
    """Write what the run begins with; a later pod of it keeps the moment of the first. Raises `StorageFailedError`."""
    sources = {"train": run_file.spec.dataset.train, "validation": run_file.spec.dataset.validation}
    inputs: list[Dependency] = [model_of(files)]
    for split in data.splits:
        source = sources[split.name]
        assert source is not None  # its rows were read
        inputs.append(provenance.rows(split.name, source, revisions.get(f"spec.dataset.{split.name}"), split.digest))
    if settings.image is not None:
        inputs.append(provenance.image(settings.image))
    earlier = read(place)
    origin = provenance.begin(run_file, place.owner.run, started, inputs)
    if earlier is not None:
        kept = {"startedOn": earlier["runDetails"]["metadata"]["startedOn"]}
        details = origin["runDetails"]
        origin = origin | {"runDetails": details | {"metadata": details["metadata"] | kept}}
    write(place, origin, [])
    return origin


def model_of(files: ModelFiles) -> Dependency:
    """The base model. A folder is known by the digest of its files, which are all read for it."""
    found = None if files.revision is not None else digest.folder_digest(files.folder)
    return provenance.model(files.identity, files.revision, found)


def write(place: RunFolder, origin: Origin, artifacts: Sequence[Artifact]) -> None:
    """Write RUN/provenance.json, about the files of all artifacts. Raises `StorageFailedError`."""
    digests = {f"{each.kind}/{name}": found for each in artifacts for name, found in each.digests().items()}
    with writing_to(place.provenance):
        atomic.write_text(place.provenance, provenance.to_json(provenance.statement(digests, origin)))


def read(place: RunFolder) -> Origin | None:
    """What the run began with; None where it has not begun."""
    try:
        origin: Origin = json.loads(read_text(place.provenance))["predicate"]
        origin["runDetails"]["metadata"]["startedOn"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return origin
