"""What a run does for its page: it notes what it takes, keeps samples while the data is there, writes the page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visionft_api.run_file import RunFile
from visionft_api.spec import VisionFineTuneSpec

from visionft_trainer.errors import writing_to
from visionft_trainer.page import samples
from visionft_trainer.page.cost import Clock, Device
from visionft_trainer.processes.launch import Member
from visionft_trainer.reporting.progress import Progress
from visionft_trainer.reporting.report import Result
from visionft_trainer.settings import Settings
from visionft_trainer.storage import atomic
from visionft_trainer.storage.folder import RunFolder

if TYPE_CHECKING:
    from visionft_trainer.families import Family
    from visionft_trainer.page.model import RunReport
    from visionft_trainer.page.model_card import Kind
    from visionft_trainer.prepare.preprocess import Prepared
    from visionft_trainer.sources.model_files import ModelFiles

JSON_SUFFIX = ".json"


def follow(
    run_file: RunFile, settings: Settings, place: RunFolder, progress: Progress, member: Member | None = None
) -> None:
    """Keep the manifest, and from here on what the run takes. Raises `StorageFailedError`."""
    with writing_to(place.run_file):
        atomic.write_text(place.run_file, run_file.to_text())
    processes = member.size if member is not None else 1
    progress.listen(Clock(place.cost, lambda: _device(run_file.spec, settings, processes)))


def keep_samples(place: RunFolder, spec: VisionFineTuneSpec, rows: Prepared, processor: Any, family: Family) -> None:
    """Keep the measured rows that the page shows, with small pictures. Raises `StorageFailedError`."""
    from visionft_trainer.evaluation.metrics import METRICS

    metric = next(iter(spec.evaluation.metrics), None)
    samples.keep(
        place.samples,
        place.answers,
        metric,
        lower_is_better=METRICS[metric].lower_is_better if metric else False,
        count=spec.evaluation.report_samples,
        rows=rows,
        processor=processor,
        family=family,
    )


def card(place: RunFolder, files: ModelFiles, *, judged: bool = True) -> Callable[[Kind, Path], None]:
    """Writes the model card of an artifact of this run into its folder. `files` are those of the base model.

    Without `judged` the run's figures are left out: the artifact is of an earlier step than what was measured.

    Raises:
        BadConfigError: the folder is that of no run.
    """
    from visionft_trainer.page import model_card
    from visionft_trainer.page.read import read_run

    report = read_run(place)
    if not judged:
        report = report.model_copy(update={"judgement": None, "gates": []})
    return lambda kind, folder: model_card.write(folder, report, kind, files)


def write(place: RunFolder, result: Result | None = None, out: Path | None = None) -> Path:
    """Write the page and its JSON: RUN/report/report.html and .json, or `out` and its namesake. Gives the page's path.

    Raises:
        BadConfigError: the folder is that of no run.
        StorageFailedError: they cannot be written.
    """
    from visionft_trainer.page.read import read_run
    from visionft_trainer.page.render import render

    report = read_run(place, result)
    html = render(report, samples.read_pictures(place.samples, report.samples))
    page = out or place.page
    with writing_to(page):
        page.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_text(page.with_suffix(JSON_SUFFIX), to_json(report))
        atomic.write_text(page, html)
    return page


def to_json(report: RunReport) -> str:
    """The text of report.json."""
    return report.model_dump_json(by_alias=True, exclude_none=True, indent=2) + "\n"


def _device(spec: VisionFineTuneSpec, settings: Settings, processes: int) -> Device:
    """What the run computes on; known once torch is there anyway."""
    import torch

    from visionft_trainer.model import load

    device = load.choose_device(spec, settings)
    if device.type != "cuda":
        return Device("CPU", 0)
    return Device(torch.cuda.get_device_name(device), processes)
