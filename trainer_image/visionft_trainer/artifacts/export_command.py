"""`visionft-trainer export`: the artifacts of a run that is complete, or of one that was interrupted.

What the run has written is copied and held against the digest in its result. Anything else is made from the base model
and the trained weights by the stages that a run itself goes through, so that the same weights give the same artifact.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visionft_api.run_file import RunFile
from visionft_api.shown import shorten
from visionft_api.spec import VisionFineTuneSpec
from visionft_api.status import Stage

from visionft_trainer import libraries
from visionft_trainer.errors import BadConfigError, BadModelError, StorageFailedError, writing_to
from visionft_trainer.reporting.progress import Progress
from visionft_trainer.reporting.report import read_result
from visionft_trainer.settings import Settings
from visionft_trainer.sources import model as model_source
from visionft_trainer.sources import model_code
from visionft_trainer.sources.model_files import ModelFiles
from visionft_trainer.stages.order import now
from visionft_trainer.storage import atomic
from visionft_trainer.storage.folder import OWNER_FILE, RUN_PREFIX, Owner, RunFolder, place_of, read_owner
from visionft_trainer.storage.plain_files import NOT_PLAIN, first_odd
from visionft_trainer.storage.resolved import read_resolved
from visionft_trainer.storage.scratch import scratch_folder
from visionft_trainer.training import checkpoints

if TYPE_CHECKING:
    from visionft_trainer.artifacts.artifact import Artifact

ADAPTER_CONFIG = "adapter_config.json"
NAME = re.compile(rf"({RUN_PREFIX}\d+)(?:/({checkpoints.CHECKPOINT}-\d+))?/?")


@dataclass(frozen=True)
class Wanted:
    """What is to be written, and where to."""

    adapter: bool
    merged: bool
    out: Path


@dataclass(frozen=True)
class Exported:
    """What was written."""

    origin: str
    """The folder that the weights come from, such as `run-1/checkpoint-40`."""
    artifacts: list[Artifact]


@dataclass(frozen=True)
class Origin:
    """Where the trained weights are: in a checkpoint, or in what the run has written."""

    run: RunFolder
    checkpoint: Path | None

    @property
    def name(self) -> str:
        """As people are told it."""
        return f"{self.run.path.name}/{self.checkpoint.name}" if self.checkpoint else self.run.path.name


def export(run_file: RunFile, settings: Settings, progress: Progress, where: str | None, wanted: Wanted) -> Exported:
    """Write artifacts to `wanted.out`, from the run or checkpoint that `where` names, else from the latest run.

    Raises:
        BadConfigError: no such run, nothing trained yet, or trained with another manifest.
        BadModelError: the weights are of another base model.
        StorageFailedError: the folder cannot be written, or what the run has written is damaged.
    """
    spec = run_file.spec
    _check(spec, wanted)
    origin = find(run_file, settings, where, wanted)
    kinds = [kind for kind, asked in (("adapter", wanted.adapter), ("merged", wanted.merged)) if asked]
    stored = {} if origin.checkpoint else {kind: origin.run.path / kind for kind in ("adapter", "merged")}
    stored = {kind: folder for kind, folder in stored.items() if folder.is_dir()}
    progress.enter(Stage.LOAD)
    if all(kind in stored for kind in kinds):
        progress.enter(Stage.EXPORT)
        return Exported(origin.name, [_copy(origin.run, kind, wanted.out) for kind in kinds])
    return Exported(origin.name, _make(run_file, settings, progress, origin, stored.get("adapter"), wanted))


def find(run_file: RunFile, settings: Settings, where: str | None, wanted: Wanted) -> Origin:
    """The weights that `where` means. Raises `BadConfigError`."""
    if where is not None and not NAME.fullmatch(where):
        path = Path(where).expanduser().resolve()
        if not path.is_dir():
            raise BadConfigError(
                f"--from {where}: there is no such folder. Write it as run-1, run-1/checkpoint-40, or as a path."
            )
        checkpoint = path if path.name.startswith(f"{checkpoints.CHECKPOINT}-") else None
        run = _run_in(path.parent.parent if checkpoint else path, f"--from {where}")
        return _origin(run, checkpoint, run_file, wanted)
    _, base, _ = place_of(run_file, settings)
    if where is None:
        return _origin(_latest(base, run_file), None, run_file, wanted)
    match = NAME.fullmatch(where)
    assert match is not None
    run = _run_in(base / match[1], f"--from {where}")
    return _origin(run, run.checkpoints / match[2] if match[2] else None, run_file, wanted)


def _check(spec: VisionFineTuneSpec, wanted: Wanted) -> None:
    if spec.adapter.method == "full" and wanted.adapter:
        raise BadConfigError("--adapter: spec.adapter.method is full, which leaves no adapter. Ask for --merged alone.")
    if not wanted.adapter and not wanted.merged:
        raise BadConfigError("spec.output asks for no artifact. Say which: --adapter, --merged or both.")
    if wanted.out.exists() and not wanted.out.is_dir():
        raise BadConfigError(f"--out {wanted.out}: is a file. Name a folder.")
    for kind, asked in (("adapter", wanted.adapter), ("merged", wanted.merged)):
        if asked and (wanted.out / kind).exists():
            raise BadConfigError(
                f"--out {wanted.out}: {kind} is there already. Choose another folder, or remove {wanted.out / kind}."
            )


def _latest(base: Path, run_file: RunFile) -> RunFolder:
    """The latest run of this manifest."""
    owners = {path: read_owner(path / OWNER_FILE) for path in sorted(base.glob(f"{RUN_PREFIX}*"))}
    runs = sorted((owner.run, path) for path, owner in owners.items() if owner is not None)
    if not runs:
        raise BadConfigError(f"spec.output.pvc.path: no run has begun in {base}. Start it: visionft-trainer run.")
    same = [(run, path) for run, path in runs if getattr(owners[path], "spec_hash", None) == run_file.spec_hash]
    if not same:
        names = ", ".join(path.name for _, path in runs)
        raise BadConfigError(
            f"spec.output.pvc.path: {base} holds {names}, begun with another manifest than this. Give the "
            "manifest that the run was begun with; for artifacts that a run has written, --from RUN will do."
        )
    return _run_in(same[-1][1], "spec.output.pvc.path")


def _run_in(folder: Path, what: str) -> RunFolder:
    owner = read_owner(folder / OWNER_FILE)
    if owner is None:
        others = ", ".join(sorted(path.parent.name for path in folder.parent.glob(f"{RUN_PREFIX}*/{OWNER_FILE}")))
        raise BadConfigError(
            f"{what}: {folder} is not the folder of a run. " + (f"There are {others}." if others else "It has no runs.")
        )
    return RunFolder(folder, owner, claim_name="", path_in_claim=folder.name)


def _origin(run: RunFolder, checkpoint: Path | None, run_file: RunFile, wanted: Wanted) -> Origin:
    """The checkpoint that is named, else what the run has written, else its newest sound checkpoint."""
    if checkpoint is not None:
        if not checkpoint.is_dir():
            there = ", ".join(f"{checkpoints.CHECKPOINT}-{step}" for step in sorted(checkpoints.steps(run.checkpoints)))
            raise BadConfigError(f"{run.path.name} has no {checkpoint.name}. It has: {there or 'no checkpoint'}.")
        problem = checkpoints.defect(checkpoint)
        if problem is not None:
            raise BadConfigError(f"{checkpoint} is damaged: {problem}. Name another one by --from.")
    elif run.adapter.is_dir() or (run.merged.is_dir() and not wanted.adapter):
        return Origin(run, None)
    else:
        checkpoint = checkpoints.newest_valid(run.checkpoints)
        if checkpoint is None:
            raise BadConfigError(
                f"{run.path} has no sound checkpoint yet. Let it train for spec.training.checkpoints.every steps, or "
                "stop it by Ctrl-C or SIGTERM, which saves one."
            )
    _check_same(run.owner, checkpoint, run_file)
    return Origin(run, checkpoint)


def _check_same(owner: Owner, checkpoint: Path, run_file: RunFile) -> None:
    """A checkpoint holds bare numbers: only the manifest that made it can say what they are."""
    if owner.spec_hash != run_file.spec_hash:
        raise BadConfigError(
            f"{checkpoint} was trained with another manifest (spec hash {owner.spec_hash}, this one is "
            f"{run_file.spec_hash}). Give the manifest that run {owner.run} of {owner.namespace}/{owner.name} began "
            "with."
        )


def _copy(run: RunFolder, kind: Any, out: Path) -> Artifact:
    """What the run has written, whole or not at all."""
    from visionft_trainer.artifacts import artifact, verify

    result = read_result(run) or read_result(run, run.exported)
    known = {each.kind: each.digest for each in result.artifacts} if result else {}
    _check_plain(run.path / kind)
    target = out / kind
    with writing_to(target), atomic.new_folder(target) as draft:
        shutil.copytree(run.path / kind, draft, dirs_exist_ok=True)
        problem = verify.verify(verify.FolderCopy(draft), known.get(kind)).problem
        if problem is not None:
            raise StorageFailedError(
                f"{run.path / kind} is not as the run wrote it ({problem.file}: {problem.detail}). Export from a "
                "checkpoint: --from RUN/checkpoint-STEP."
            )
    return artifact.read(kind, target)


def _make(
    run_file: RunFile,
    settings: Settings,
    progress: Progress,
    origin: Origin,
    adapter: Path | None,
    wanted: Wanted,
) -> list[Artifact]:
    """The artifacts from the base model and the trained weights."""
    spec = run_file.spec
    begun = read_resolved(origin.run)
    files = model_source.locate(spec.model, settings, commit=begun.model_revision if begun else None)
    model_code.try_code(files, spec, settings)
    libraries.prepare(spec.resources, settings.device)
    if adapter is not None:
        check_base(adapter, files)
    from visionft_trainer.artifacts import adapter as adapters
    from visionft_trainer.artifacts import leaving, lineage, merged, provenance
    from visionft_trainer.model import adapt, load
    from visionft_trainer.page import stage as page
    from visionft_trainer.training import weights

    device = load.choose_device(spec, settings)
    processor = load.load_processor(files, spec)
    model = load.load_model(files, spec, device)
    progress.enter(Stage.ADAPT)
    tuned = adapt.adapt(model, spec, files.family, files.identity)
    if origin.checkpoint is not None:
        with fitting(origin.name, files):
            weights.read_into(tuned, origin.checkpoint)
    elif adapter is not None:
        check_names(adapter, tuned, origin.name, files)
    progress.enter(Stage.EXPORT)
    made_from = lineage.read(origin.run) or provenance.begin(
        run_file, origin.run.owner.run, now(), [lineage.model_of(files)]
    )
    made_from = provenance.end(made_from, now(), exportedFrom=origin.name, mergeBase=spec.output.merge_base)
    # Another step, or merged in another way, is not what the run has measured.
    measured = origin.checkpoint is None and origin.run.owner.spec_hash == run_file.spec_hash
    with scratch_folder() as scratch, fitting(origin.name, files):
        if spec.adapter.method == "full":
            shipped = leaving.Shipped(merged.settle(tuned), None)
        else:
            source = adapter or adapters.write(tuned, scratch.file("adapter"))
            shipped = leaving.Shipped(tuned, source)
            if wanted.merged:
                shipped = leaving.merge(tuned, spec, files, device, None, processor, source)
        copied = [_copy(origin.run, "adapter", wanted.out)] if wanted.adapter and adapter is not None else []
        return copied + leaving.write(
            shipped,
            wanted.out / "adapter" if wanted.adapter and not copied else None,
            wanted.out / "merged" if wanted.merged else None,
            spec,
            processor,
            made_from,
            page.card(origin.run, files, judged=measured),
        )


def check_base(adapter: Path, files: ModelFiles) -> None:
    """Raises `BadModelError` for an adapter of another base model, or one that cannot be read.

    It imports torch, so `libraries.prepare` comes before it.
    """
    from peft import PeftConfig
    from safetensors import SafetensorError, safe_open

    from visionft_trainer.artifacts.adapter import WEIGHTS

    _check_plain(adapter)
    read = adapter / ADAPTER_CONFIG
    try:
        base = PeftConfig.from_pretrained(str(adapter)).base_model_name_or_path
        read = adapter / WEIGHTS
        with safe_open(read, framework="pt"):
            pass
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise BadModelError(
            f"{read} cannot be read ({type(error).__name__}: {_first_lines(error)}). Copy the adapter again."
        ) from error
    if base != files.identity:
        raise BadModelError(
            f"spec.model: {files.identity} is not what {adapter} was trained on, which is {shorten(str(base))}. Name "
            "that model."
        )


def _check_plain(folder: Path) -> None:
    """Raises `BadModelError` for what would be waited for, or is not there."""
    odd = first_odd(folder)
    if odd is not None:
        raise BadModelError(f"{odd} {NOT_PLAIN}. Copy the folder again.")


def check_names(adapter: Path, tuned: Any, name: str, files: ModelFiles) -> None:
    """Raises `BadModelError` where the adapter has other layers than `tuned`; PEFT would pass over them."""
    from peft import get_peft_model_state_dict
    from safetensors import safe_open

    from visionft_trainer.artifacts.adapter import WEIGHTS

    expected = {files.family.adapter_key(key) for key in get_peft_model_state_dict(tuned, save_embedding_layers=False)}
    with safe_open(adapter / WEIGHTS, framework="pt") as stored:
        found = set(stored.keys())
    odd = sorted(found ^ expected)
    if odd:
        raise _misfit(name, files, f"{odd[0]} is in one of them only")


def _misfit(name: str, files: ModelFiles, why: str) -> BadModelError:
    return BadModelError(
        f"spec.model: the weights of {name} do not fit {files.identity}, a {files.family.name} model, with this "
        f"spec.adapter ({why}). Name the model and the layers that the run was trained with."
    )


@contextmanager
def fitting(name: str, files: ModelFiles) -> Iterator[None]:
    """Weights that do not fit the model are of another one."""
    try:
        yield
    except (ValueError, KeyError, RuntimeError) as error:
        raise _misfit(name, files, _first_lines(error)) from error


def _first_lines(error: Exception) -> str:
    """What went wrong; a headline such as torch's "Error(s) in loading:" with the first thing below it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return " ".join(lines[: 2 if lines[0].endswith(":") else 1])
