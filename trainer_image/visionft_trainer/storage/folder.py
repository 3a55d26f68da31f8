"""The folder that a run writes into, and whose it is.

<output.pvc.path, or the resource's name>/run-N/     (without output.pvc: VISIONFT_WORKSPACE/NAME/run-N/)
    owner.json      which resource and run this is; another resource is refused
    run.json        the manifest with its defaults
    cost.json       what the run takes
    resolved.json   the model revision and the data that the run began with; a later pod goes on with the same
    data-report.json  what was found in the data, before the model is loaded
    sources.json    the commits of the hub's data sets that the run began with
    provenance.json what the artifacts are made from
    measured/       how the models answer; asked once, also when the run is interrupted
    checkpoints/    what an interrupted run resumes from
    adapter/        the LoRA weights           } each written whole
    merged/         the model with them merged }
    exported.json   the result, but for where else the artifacts are brought to; a later pod trains nothing any more
    answers.jsonl   reference, base model's and tuned model's answer of each measured row
    judgement.json  every figure with its interval, and what follows from them
    samples/        the rows that the report shows, with small pictures
    report/         report.html and report.json
    result.json     written last: the run is complete

A resource that was deleted and applied again is another one of the same name. What the first one left stays where it
is, and the second one writes to a folder below: <...>/NAME-<first digits of its uid>/run-N/.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from visionft_api.run_file import RunFile

from visionft_trainer.errors import BadConfigError, writing_to
from visionft_trainer.settings import Settings
from visionft_trainer.sources import places
from visionft_trainer.storage import atomic
from visionft_trainer.storage.plain_files import NotAFileError, read_text

OWNER_FILE = "owner.json"
RUN_PREFIX = "run-"
PAGE_FILE = "report.html"
UID_DIGITS = 8


@dataclass(frozen=True)
class Owner:
    """Which resource, and which run of it. `uid` is empty on a workstation."""

    uid: str
    namespace: str
    name: str
    run: int
    spec_hash: str

    def same_resource(self, other: Owner) -> bool:
        """Whether both are runs of one resource."""
        return (self.uid, self.namespace, self.name) == (other.uid, other.namespace, other.name)


@dataclass(frozen=True)
class RunFolder:
    """Paths of one run's files."""

    path: Path
    owner: Owner
    claim_name: str
    """Empty where the run has no claim to write to."""
    path_in_claim: str
    """Of this folder, for `pvc://` URIs."""

    @property
    def checkpoints(self) -> Path:
        """Folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def adapter(self) -> Path:
        """Folder of the adapter."""
        return self.path / "adapter"

    @property
    def merged(self) -> Path:
        """Folder of the merged model."""
        return self.path / "merged"

    @property
    def artifacts(self) -> dict[Literal["adapter", "merged", "report"], Path]:
        """Folders of the models, whether they are there or not; the page is written after they have left."""
        return {"adapter": self.adapter, "merged": self.merged}

    @property
    def provenance(self) -> Path:
        """File of what the artifacts are made from."""
        return self.path / "provenance.json"

    @property
    def exported(self) -> Path:
        """File of the result while the artifacts are still on their way to where they are wanted."""
        return self.path / "exported.json"

    @property
    def run_file(self) -> Path:
        """File of the manifest with its defaults."""
        return self.path / "run.json"

    @property
    def cost(self) -> Path:
        """File of what the run takes."""
        return self.path / "cost.json"

    @property
    def samples(self) -> Path:
        """Folder of the rows that the report shows."""
        return self.path / "samples"

    @property
    def report(self) -> Path:
        """Folder of the report."""
        return self.path / "report"

    @property
    def page(self) -> Path:
        """The report as a page."""
        return self.report / PAGE_FILE

    @property
    def answers(self) -> Path:
        """File of the answers."""
        return self.path / "answers.jsonl"

    @property
    def result(self) -> Path:
        """File of the result."""
        return self.path / "result.json"

    @property
    def resolved(self) -> Path:
        """File of what the run began with."""
        return self.path / "resolved.json"

    @property
    def sources(self) -> Path:
        """File of the commits of the hub's data sets that the run began with."""
        return self.path / "sources.json"

    @property
    def data_report(self) -> Path:
        """File of what was found in the data."""
        return self.path / "data-report.json"

    @property
    def measured(self) -> Path:
        """Folder of the models' answers."""
        return self.path / "measured"

    @property
    def judgement(self) -> Path:
        """File of the judgement."""
        return self.path / "judgement.json"

    def uri(self, path: Path) -> str:
        """`pvc://claim/...` of something in this folder."""
        return f"pvc://{self.claim_name}/{self.path_in_claim}/{path.relative_to(self.path).as_posix()}"


def claim(run_file: RunFile, settings: Settings) -> RunFolder:
    """Take the folder of this run for this resource, making it where it is missing.

    On a workstation (no uid) the run's number is that of the folder with the same spec hash, or the next free one.

    Raises:
        BadConfigError: the folder belongs to another resource, or to this run number with another spec.
        StorageFailedError: the folder cannot be written.
    """
    claim_name, base, within = place_of(run_file, settings)
    below = f"{run_file.metadata.name}-{run_file.metadata.uid[:UID_DIGITS]}"
    with writing_to(base):
        owners = _owners(base)
        if run_file.metadata.uid and ((base / below).exists() or _namesake_was_here(run_file, owners)):
            base, within = base / below, f"{within}/{below}"
            owners = _owners(base)
        owner = Owner(
            uid=run_file.metadata.uid,
            namespace=run_file.metadata.namespace,
            name=run_file.metadata.name,
            run=run_file.run if run_file.metadata.uid else _workstation_run(owners, run_file.spec_hash),
            spec_hash=run_file.spec_hash,
        )
        for path, other in owners.items():
            if other is not None and not other.same_resource(owner):
                raise _taken(path, other, owner)
        name = f"{RUN_PREFIX}{owner.run}"
        folder = base / name
        folder.mkdir(exist_ok=True)
        _own(folder / OWNER_FILE, owner)
        atomic.sweep(folder)
        (folder / "checkpoints").mkdir(exist_ok=True)
        atomic.sweep(folder / "checkpoints")
    return RunFolder(folder, owner, claim_name, f"{within}/{name}")


def others(place: RunFolder) -> list[RunFolder]:
    """The other runs of the same resource beside this one, the latest first. Raises `BadConfigError`."""
    within = PurePosixPath(place.path_in_claim).parent
    runs = [
        replace(place, path=path, owner=owner, path_in_claim=f"{within}/{path.name}")
        for path, owner in _owners(place.path.parent).items()
        if path != place.path and owner is not None and owner.same_resource(place.owner)
    ]
    return sorted(runs, key=lambda run: run.owner.run, reverse=True)


def place_of(run_file: RunFile, settings: Settings) -> tuple[str, Path, str]:
    """The claim (empty without one), the folder of the resource's runs, and that folder's path inside the claim.

    Raises:
        BadConfigError: the claim is not here, or the path leads out of it.
    """
    pvc = run_file.spec.output.pvc
    within = ((pvc.path if pvc is not None else None) or run_file.metadata.name).strip("/")
    if not within:
        raise BadConfigError("metadata.name: is not set, so the output has no folder. Set it, or spec.output.pvc.path.")
    if pvc is None:
        return "", settings.workspace.absolute() / within, within
    return pvc.claim_name, places.in_claim(settings, pvc.claim_name, within, "spec.output.pvc.path"), within


def _owners(base: Path) -> dict[Path, Owner | None]:
    """Whose the runs in `base` are, which is made where it is missing.

    Raises:
        BadConfigError: a file is in its way.
    """
    try:
        base.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise BadConfigError(
            f"spec.output.pvc.path: {base} cannot be a folder, for there is a file of that name. Choose another path."
        ) from None
    return {path: read_owner(path / OWNER_FILE) for path in sorted(base.glob(f"{RUN_PREFIX}*"))}


def _namesake_was_here(run_file: RunFile, owners: dict[Path, Owner | None]) -> bool:
    """Whether the runs are those of a resource of this name that was deleted since."""
    ours = run_file.metadata
    return any(
        owner is not None
        and (owner.namespace, owner.name) == (ours.namespace, ours.name)
        and owner.uid not in ("", ours.uid)
        for owner in owners.values()
    )


def _workstation_run(owners: dict[Path, Owner | None], spec_hash: str) -> int:
    known = [owner for owner in owners.values() if owner is not None]
    same = [owner.run for owner in known if owner.spec_hash == spec_hash]
    return same[-1] if same else max((owner.run for owner in known), default=0) + 1


def _own(file: Path, owner: Owner) -> None:
    """Write `file` unless it exists; then it must be ours. Of two pods at once only one owner wins."""
    draft = file.with_name(f"{atomic.UNFINISHED_PREFIX}{os.getpid()}-{file.name}")
    atomic.write_text(draft, json.dumps(asdict(owner), indent=2) + "\n")
    try:
        os.link(draft, file)
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links
        if not file.exists():
            draft.rename(file)
    finally:
        draft.unlink(missing_ok=True)
    found = read_owner(file)
    if found is None or not found.same_resource(owner):
        raise _taken(file.parent, found, owner)
    if found.spec_hash != owner.spec_hash or found.run != owner.run:
        raise BadConfigError(
            f"spec.output.pvc.path: {file.parent.name} was started with another spec (hash {found.spec_hash}, this one "
            f"is {owner.spec_hash}). Set runPolicy.rerun to a new text to start the next run, or remove the folder."
        )


def _taken(folder: Path, other: Owner | None, owner: Owner) -> BadConfigError:
    whose = _describe(other) if other else "nobody known"
    return BadConfigError(
        f"spec.output.pvc.path: {folder.parent.name}/{folder.name} belongs to {whose}, not to "
        f"{_describe(owner)}. Choose another path, or remove that folder if its results are not needed."
    )


def _describe(owner: Owner) -> str:
    return f"{owner.namespace}/{owner.name} ({f'uid {owner.uid}' if owner.uid else 'of a workstation'})"


def read_owner(file: Path) -> Owner | None:
    """What an owner file says; None where there is none. Raises `BadConfigError` when it is another kind of file."""
    try:
        value: dict[str, Any] = json.loads(read_text(file))
        return Owner(**value)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError, NotAFileError):
        raise BadConfigError(
            f"spec.output.pvc.path: {file} is not an owner file of visionft. Choose another path, or remove the folder."
        ) from None
