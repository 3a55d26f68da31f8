"""`visionft-trainer evaluate`: a base model, or one that was trained, measured on the manifest's validation rows."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visionft_api.run_file import RunFile
from visionft_api.spec import VisionFineTuneSpec
from visionft_api.status import Stage

from visionft_trainer import libraries
from visionft_trainer.artifacts import export_command, sums, verify
from visionft_trainer.artifacts.export_command import ADAPTER_CONFIG
from visionft_trainer.data.in_order import worker_count
from visionft_trainer.data.ingest import Split, read_split
from visionft_trainer.errors import BadConfigError, BadModelError
from visionft_trainer.evaluation import general
from visionft_trainer.evaluation.judgement import Judgement, Warn
from visionft_trainer.prepare import stage as data_stage
from visionft_trainer.reporting.progress import Progress
from visionft_trainer.settings import Settings
from visionft_trainer.sources import model as model_source
from visionft_trainer.sources import model_code
from visionft_trainer.sources.model_files import ModelFiles
from visionft_trainer.sources.revisions import Revisions
from visionft_trainer.storage.folder import OWNER_FILE
from visionft_trainer.storage.resolved import read_resolved
from visionft_trainer.storage.scratch import Scratch, scratch_folder

if TYPE_CHECKING:
    from visionft_trainer.prepare.preprocess import Prepared

MODEL_CONFIG = "config.json"
CHANGED = "ArtifactChanged"
ANY = export_command.Wanted(adapter=False, merged=True, out=Path())  # either kind of artifact will do


@dataclass(frozen=True)
class Which:
    """The model that is asked about: the base model, a folder of weights, or what a run has trained."""

    base: bool = False
    folder: Path | None = None
    origin: str | None = None
    """A run or checkpoint, as `export --from` takes it; None: the latest run."""


@dataclass(frozen=True)
class Weights:
    """Where the weights that were trained lie."""

    name: str
    """As people are told it."""
    kind: str
    """checkpoint, adapter or merged."""
    folder: Path
    commit: str | None = None
    """Of the base model on the hub, where it is known."""


@dataclass(frozen=True)
class Evaluated:
    """What was measured."""

    name: str
    judgement: Judgement


def evaluate(run_file: RunFile, settings: Settings, progress: Progress, which: Which) -> Evaluated:
    """Measure the model that `which` names, and the base model before it unless `spec.evaluation.baseline` is false.

    Raises:
        BadConfigError: no validation rows, no such run or folder.
        BadModelError: the weights are of another base model.
        RunError: as a run does, where data or model cannot be read.
    """
    spec = run_file.spec
    if spec.dataset.validation is None:
        raise BadConfigError("spec.dataset.validation: is not set. Name the rows to measure on.")
    weights = None if which.base else _find(run_file, settings, which)
    with scratch_folder() as scratch:
        return _measure(spec, settings, progress, weights, scratch)


def _measure(
    spec: VisionFineTuneSpec, settings: Settings, progress: Progress, weights: Weights | None, scratch: Scratch
) -> Evaluated:
    progress.enter(Stage.INGEST)
    first = spec.evaluation.baseline or weights is None
    wanted = ["validation", "train"] if first and spec.evaluation.few_shot else ["validation"]
    splits = {name: _read(name, spec, settings, scratch, progress) for name in wanted}
    general_split = general.read(spec, settings, scratch, progress.tick)
    files = model_source.locate(spec.model, settings, commit=weights.commit if weights else None)
    model_code.try_code(files, spec, settings)
    libraries.prepare(spec.resources, settings.device)
    if weights is not None and weights.kind == "adapter":
        export_command.check_base(weights.folder, files)
    if weights is not None and weights.kind == "merged":
        _check_family(weights, spec, files)
    changed = _changed(weights) if weights is not None else []
    for warn in changed:
        progress.note(f"{warn.reason}: {warn.message}")

    progress.enter(Stage.PREPROCESS)
    from visionft_trainer.evaluation import suite
    from visionft_trainer.model import fits, load
    from visionft_trainer.prepare.preprocess import preprocess

    device = load.choose_device(spec, settings)
    processor = load.load_processor(files, spec)
    if weights is not None and weights.kind == "merged":
        _check_tokens(weights, files, processor)
        fits.check(_whole(weights, files))

    def prepared(split: Split, dataset: Any = spec.dataset) -> Prepared:
        return preprocess(split, dataset, processor, files.family, scratch, progress.tick)

    rows = suite.Rows(
        prepared(splits["validation"]),
        splits["validation"].digest,
        prepared(splits["train"]) if "train" in splits else None,
        prepared(general_split, general.dataset_of(spec)) if general_split is not None else None,
    )
    measuring = suite.suite_of(spec, rows, processor, files.family)
    for warning in data_stage.unsuitable_metrics(spec, rows.validation, rows.general):
        progress.note(f"{warning.reason}: {warning.message}")
    for note in measuring.plan.notes if first else ():
        progress.note(note)

    progress.enter(Stage.LOAD)
    model = load.load_model(files, spec, device) if first or (weights and weights.kind != "merged") else None
    before = after = None
    if first:
        progress.enter(Stage.BASELINE)
        before = measuring.baseline(model, "base", progress.tick)
    if weights is not None:
        progress.enter(Stage.ADAPT)
        tuned = _trained(model, weights, spec, files, device, rows.validation, processor, scratch)
        del model
        progress.enter(Stage.EVALUATE)
        after = measuring.tuned(tuned, weights.name, progress.tick)
    judgement = measuring.judgement(before, after)
    judgement = judgement.model_copy(update={"warnings": [*changed, *judgement.warnings]})
    return Evaluated(weights.name if weights else files.identity, judgement)


def _find(run_file: RunFile, settings: Settings, which: Which) -> Weights:
    if which.folder is None:
        origin = export_command.find(run_file, settings, which.origin, ANY)
        begun = read_resolved(origin.run)
        commit = begun.model_revision if begun else None
        if origin.checkpoint is not None:
            return Weights(origin.name, "checkpoint", origin.checkpoint, commit)
        merged = origin.run.merged.is_dir()
        return Weights(
            origin.name, "merged" if merged else "adapter", origin.run.merged if merged else origin.run.adapter, commit
        )
    folder = which.folder.expanduser().resolve()
    if (folder / ADAPTER_CONFIG).is_file():
        return Weights(str(which.folder), "adapter", folder)
    if (folder / MODEL_CONFIG).is_file():
        return Weights(str(which.folder), "merged", folder)
    if not folder.is_dir():
        raise BadConfigError(f"--model {which.folder}: there is no such folder.")
    if (folder / OWNER_FILE).is_file():
        raise BadConfigError(f"--model {which.folder}: this is the folder of a run. Name it by --from {which.folder}.")
    raise BadConfigError(
        f"--model {which.folder}: there is neither {ADAPTER_CONFIG} nor {MODEL_CONFIG} in it. Name the folder of an "
        "adapter or of a whole model, such as run-1/adapter or run-1/merged."
    )


def _read(name: str, spec: VisionFineTuneSpec, settings: Settings, scratch: Scratch, progress: Progress) -> Split:
    source = getattr(spec.dataset, name)
    workers = worker_count(spec.resources)
    return read_split(name, source, spec.dataset, settings, scratch, progress.tick, workers, Revisions())


def _check_family(weights: Weights, spec: VisionFineTuneSpec, files: ModelFiles) -> None:
    """Raises `BadModelError` for a whole model that lacks something, or is of another family than the base model."""
    family = model_source.check_folder(weights.folder, weights.name, spec.model)
    if family is not files.family:
        raise BadModelError(
            f"{weights.name} is a {family.name} model, and spec.model ({files.identity}) a {files.family.name} "
            "one. Name a model that was made from it."
        )


def _check_tokens(weights: Weights, files: ModelFiles, processor: Any) -> None:
    """Raises `BadModelError` for a whole model that reads other tokens than the base model's: they are not its own."""
    from tokenizers import Tokenizer

    file = weights.folder / "tokenizer.json"
    try:
        tokens = Tokenizer.from_file(str(file)).get_vocab()
    except Exception as error:  # the library has no other type
        raise BadModelError(f"{file} cannot be read ({error}). Copy the model again.") from error
    if tokens != processor.tokenizer.get_vocab():
        raise BadModelError(
            f"{weights.name} has other tokens than spec.model ({files.identity}), so it was not made from it. Name the "
            "base model that it was made from."
        )


def _changed(weights: Weights) -> list[Warn]:
    """That an artifact is not the one that a run has left; of one without sums, and of checkpoints, nobody knows."""
    if not (weights.folder / sums.FILE).exists():
        return []
    try:
        problem = verify.verify(verify.FolderCopy(weights.folder)).problem
    except (OSError, verify.NotAnArtifactError) as error:
        found = f"cannot be held against its {sums.FILE}: {verify.shown(str(error))}"
    else:
        if problem is None:
            return []
        found = f"is not as it left the trainer: {problem}"
    return [Warn(reason=CHANGED, message=f"{weights.name} {found}. The figures are those of what lies there now.")]


def _whole(weights: Weights, files: ModelFiles) -> ModelFiles:
    """A whole model of the base model's family."""
    return ModelFiles(weights.folder, files.family, weights.name, None)


def _trained(
    model: Any,
    weights: Weights,
    spec: VisionFineTuneSpec,
    files: ModelFiles,
    device: Any,
    rows: Prepared,
    processor: Any,
    scratch: Scratch,
) -> Any:
    """The model with its trained weights; of a checkpoint, as a run would ship it."""
    from visionft_trainer.artifacts import leaving
    from visionft_trainer.model import adapt, load
    from visionft_trainer.training import weights as trained_weights

    if weights.kind == "merged":
        del model
        gc.collect()
        plain = spec.model_copy(update={"model": spec.model.model_copy(update={"quantization": "none"})})
        return load.load_model(_whole(weights, files), plain, device)
    if weights.kind == "adapter":
        from peft import PeftModel

        with export_command.fitting(weights.name, files):
            return PeftModel.from_pretrained(model, weights.folder).eval()
    tuned = adapt.adapt(model, spec, files.family, files.identity)
    with export_command.fitting(weights.name, files):
        trained_weights.read_into(tuned, weights.folder)
    return leaving.ship(tuned, spec, files, device, rows, processor, scratch.file("adapter")).model
