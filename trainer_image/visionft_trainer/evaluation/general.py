"""The general rows, `spec.evaluation.general`: what the model could do before, and should still."""

from __future__ import annotations

from visionft_api.spec import DatasetSpec, VisionFineTuneSpec

from visionft_trainer.data.in_order import worker_count
from visionft_trainer.data.ingest import Split, Tick, read_split
from visionft_trainer.settings import Settings
from visionft_trainer.sources.revisions import Revisions
from visionft_trainer.storage.scratch import Scratch

NAME = "general"
FIELD = "spec.evaluation.general"


def read(
    spec: VisionFineTuneSpec,
    settings: Settings,
    scratch: Scratch,
    tick: Tick = lambda _: None,
    revisions: Revisions | None = None,
) -> Split | None:
    """The rows that the manifest names, each picture looked at; None where it names none.

    Raises as `ingest` does.
    """
    general = spec.evaluation.general
    if general is None:
        return None
    workers = worker_count(spec.resources)
    return read_split(NAME, general, dataset_of(spec), settings, scratch, tick, workers, revisions, field=FIELD)


def dataset_of(spec: VisionFineTuneSpec) -> DatasetSpec:
    """How the general rows are read: their own form and columns, nothing of how the task asks, its limits."""
    general = spec.evaluation.general
    assert general is not None
    return spec.dataset.model_copy(
        update={
            "format": general.format,
            "columns": general.columns,
            "prompt_template": None,
            "prompt_templates": [],
            "system_prompt": None,
            "augmentation": None,
        }
    )
