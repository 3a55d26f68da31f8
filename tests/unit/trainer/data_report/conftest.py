"""Data sets to look at."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.tiny_spec import DATA_CLAIM, tiny_spec
from visionft_trainer.data import ingest
from visionft_trainer.data.report.model import DataReport
from visionft_trainer.prepare import stage as data_stage
from visionft_trainer.reporting.progress import Progress
from visionft_trainer.settings import Settings
from visionft_trainer.storage.scratch import Scratch

Look = Callable[..., DataReport]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where `look` finds train.jsonl, validation.jsonl and pictures."""
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def look(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Look:
    """Reads the data of `folder` and gives the report on it; keywords go to `spec.dataset`."""

    def read(**dataset: Any) -> DataReport:
        place = tmp_path_factory.mktemp("look")
        spec = tiny_spec(place, dataset=dataset)
        data = ingest.ingest(spec, Settings(claims={DATA_CLAIM: folder}), Scratch(place))
        return data_stage.inspect(data, spec, Progress())

    return read
