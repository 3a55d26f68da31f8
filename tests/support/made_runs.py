"""Folders of runs whose training is over, of random bytes in place of weights."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from visionft_api.run_file import RunFile
from visionft_api.status import Resolved, Stage
from visionft_trainer.page import cost
from visionft_trainer.page.model import Attempt, Cost
from visionft_trainer.reporting.report import Result, write_result
from visionft_trainer.settings import Settings
from visionft_trainer.storage import atomic, folder
from visionft_trainer.storage.folder import RunFolder

from support.small_artifacts import write_artifact

MOMENT = datetime(2026, 1, 31, 8, tzinfo=UTC)


def made_run(run_file: RunFile, settings: Settings, **changes: Any) -> RunFolder:
    """Everything up to the uploads; `changes` are to its result."""
    place = folder.claim(run_file, settings)
    atomic.write_text(place.run_file, run_file.to_text())
    for kind in ("adapter", "merged"):
        if getattr(run_file.spec.output, kind):
            write_artifact(place.path, kind, owner=place.owner)  # type: ignore[arg-type]
    for file in (place.answers, place.data_report, place.provenance, place.sources):
        file.write_text(f"{file.name} of run {place.owner.run}\n", encoding="utf-8")
    place.samples.mkdir()
    (place.samples / "000-0.jpg").write_bytes(b"picture")
    took = Cost(device="H200", gpus=1, attempts=[Attempt(start_time=MOMENT, seconds={Stage.TRAIN: 3600.0})])
    place.cost.write_text(cost.to_text(took))
    result = Result(
        run=place.owner.run,
        spec_hash=place.owner.spec_hash,
        start_time=MOMENT,
        completion_time=MOMENT,
        steps=6,
        rows={},
        artifacts=[],
        resolved=Resolved(model_revision="f" * 40, dataset_digest="sha256:0", spec_hash=place.owner.spec_hash),
        notes=["Stopped at step 6, which was the best."],
        curve=[],
    )
    write_result(place, result.model_copy(update=changes), place.exported)
    return place
