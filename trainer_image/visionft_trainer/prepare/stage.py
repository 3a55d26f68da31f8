"""What `run` and `check` do with the data beside reading it: look at it, prepare it, and tell what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visionft_api.spec import VisionFineTuneSpec
from visionft_api.status import DataWarning

from visionft_trainer import libraries
from visionft_trainer.data import ingest
from visionft_trainer.data.ingest import Dataset, Split
from visionft_trainer.data.report.build import inspect as inspect_data
from visionft_trainer.data.report.build import refuse_leakage, summary_of, with_tokens
from visionft_trainer.data.report.findings import MAX_WARNINGS
from visionft_trainer.data.report.model import DataReport
from visionft_trainer.errors import BadDatasetError, RunError
from visionft_trainer.evaluation import general
from visionft_trainer.families import Family
from visionft_trainer.prepare.variation import Variation
from visionft_trainer.reporting.progress import Progress
from visionft_trainer.settings import Settings
from visionft_trainer.sources import model as model_source
from visionft_trainer.sources import model_code
from visionft_trainer.sources.revisions import Revisions
from visionft_trainer.storage import atomic
from visionft_trainer.storage.scratch import Scratch

if TYPE_CHECKING:
    from visionft_trainer.prepare.preprocess import Prepared


@dataclass(frozen=True)
class PreparedData:
    """Rows that are ready for the model, and all that is known about them."""

    train: Prepared
    validation: Prepared | None
    general: Prepared | None
    report: DataReport


def read(
    spec: VisionFineTuneSpec,
    settings: Settings,
    scratch: Scratch,
    progress: Progress,
    revisions: Revisions | None = None,
) -> Dataset:
    """`ingest`, whose error for bad rows tells as well what preparing the others finds: one round of mending.

    Raises what `ingest` raises.
    """
    try:
        return ingest.ingest(spec, settings, scratch, progress.tick, revisions)
    except ingest.BadRowsError as bad:
        found = _bad_when_prepared(bad.sound, spec, settings, scratch, progress)
        raise BadDatasetError("\n".join([str(bad), *found])) from None


def _bad_when_prepared(
    splits: Sequence[Split], spec: VisionFineTuneSpec, settings: Settings, scratch: Scratch, progress: Progress
) -> list[str]:
    """What is wrong with rows that were read; empty where nothing is, or the model is in the way of finding out."""
    try:
        files = model_source.locate(spec.model, settings, weights=False)
        model_code.try_code(files, spec, settings)
        libraries.prepare(spec.resources, settings.device)
        from visionft_trainer.model import load

        _preprocess(splits, spec, load.load_processor(files, spec), files.family, scratch, progress)
    except BadDatasetError as error:
        return [str(error)]
    except RunError:
        pass
    return []


def _preprocess(
    splits: Sequence[Split],
    spec: VisionFineTuneSpec,
    processor: Any,
    family: Family,
    scratch: Scratch,
    progress: Progress,
) -> list[Prepared]:
    """Each split prepared; an error tells of all of them. Raises what `preprocess` raises."""
    from visionft_trainer.prepare.preprocess import preprocess

    prepared, bad = [], []
    for split in splits:
        try:
            prepared.append(preprocess(split, spec.dataset, processor, family, scratch, progress.tick))
        except BadDatasetError as error:
            bad.append(str(error))
    if bad:
        raise BadDatasetError("\n".join(bad))
    return prepared


def inspect(data: Dataset, spec: VisionFineTuneSpec, progress: Progress) -> DataReport:
    """Look at the data as a whole. Raises `BadDatasetError` for leakage that the spec refuses."""
    report = inspect_data(data)
    progress.learn(data=summary_of(report))
    if spec.dataset.leakage == "Refuse":
        refuse_leakage(report)
    return report


def prepare(
    data: Dataset,
    report: DataReport,
    spec: VisionFineTuneSpec,
    processor: Any,
    family: Family,
    scratch: Scratch,
    progress: Progress,
    general_split: Split | None = None,
) -> PreparedData:
    """Stage `preprocess`, with `report` made whole. `general_split` has the rows of `spec.evaluation.general`.

    Raises:
        BadConfigError: augmentation moves the pictures further than the spec allows.
        BadDatasetError: no row of a split is left, or rows that the model cannot be given are refused.
    """
    from visionft_trainer.data.augment.shift import measure_shift
    from visionft_trainer.prepare.preprocess import preprocess, varying, with_longest

    splits = _preprocess(data.splits, spec, processor, family, scratch, progress)
    train = splits[0]
    shift = None
    several_wordings = data.train.facts.several_wordings
    variation = Variation.of(spec.dataset, spec.training.seed, several_wordings=several_wordings)
    if variation is not None:
        if variation.augmentation is not None:
            rows = train.examples
            shift = measure_shift(
                len(rows), lambda index: rows[index].row, train.pictures.open, variation.seed, variation.augmentation
            )
        if several_wordings and spec.training.packing:
            train = with_longest(train, spec.dataset, processor.tokenizer)
        splits[0] = varying(train, variation, spec.dataset, processor, family)
    general_rows = None
    if general_split is not None:
        dataset = general.dataset_of(spec)
        general_rows = preprocess(general_split, dataset, processor, family, scratch, progress.tick)
    validation = splits[1] if len(splits) > 1 else None
    whole = with_tokens(report, splits, shift)
    unsuitable = unsuitable_metrics(spec, validation, general_rows)
    whole = whole.model_copy(update={"warnings": [*unsuitable, *whole.warnings][:MAX_WARNINGS]})
    progress.learn(data=summary_of(whole))
    return PreparedData(splits[0], validation, general_rows, whole)


def unsuitable_metrics(
    spec: VisionFineTuneSpec, validation: Prepared | None, general_rows: Prepared | None
) -> list[DataWarning]:
    """A warning for each metric that cannot tell a good answer to the rows that it is measured on."""
    from visionft_trainer.evaluation.suits import unsuitable

    evaluation, found = spec.evaluation, []
    if validation is not None:
        rows = [example.row for example in islice(validation.examples, evaluation.max_samples)]
        found += unsuitable(evaluation.metrics, rows, "spec.evaluation.metrics", "validation")
    if general_rows is not None and evaluation.general is not None:
        rows = [example.row for example in islice(general_rows.examples, evaluation.max_samples)]
        metrics = evaluation.general.metrics or evaluation.metrics
        found += unsuitable(metrics, rows, f"{general.FIELD}.metrics", "general")
    return found


def write_report(file: Path, report: DataReport) -> None:
    """Write `data-report.json`."""
    atomic.write_text(file, report_text(report))


def report_text(report: DataReport) -> str:
    """The report as JSON."""
    return report.model_dump_json(by_alias=True, exclude_none=True, indent=2) + "\n"
