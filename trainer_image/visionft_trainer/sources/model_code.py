"""Python code that comes with a model: pinned before it is read, and tried on the CPU before any weight is loaded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from visionft_api.spec import ModelSpec, VisionFineTuneSpec

from visionft_trainer import libraries
from visionft_trainer.errors import BadModelError
from visionft_trainer.families import Family
from visionft_trainer.families.remote_code import MODEL_CLASSES
from visionft_trainer.settings import Settings
from visionft_trainer.sources.model_files import ModelFiles
from visionft_trainer.storage.digest import folder_digest
from visionft_trainer.storage.plain_files import read_text

CODE_PATTERNS = ("*.py",)
# Where transformers looks for the names of classes to import.
MAPS = ("config.json", "processor_config.json", "preprocessor_config.json", "tokenizer_config.json")
OTHER_REPOSITORY = "--"  # "org/other--module.Class": code that no revision of this model pins


def refuse_untrusted(family: Family, spec: ModelSpec, what: str) -> None:
    """Raise `BadModelError` where the family needs code and the manifest does not trust it."""
    remote = family.remote_code
    if remote is None or (spec.trust_remote_code and spec.revision is not None):
        return
    pin = "the commit whose code you have read" if spec.pvc is None else "the sha256: digest of the folder"
    raise BadModelError(
        f"{what} is a {family.name} model, whose code is not part of transformers: it comes with the model, and such "
        f"code is not run unless it is trusted. Use {remote.instead}; or read the code, then set "
        f"spec.model.trustRemoteCode to true and spec.model.revision to {pin}."
    )


def check_digest(folder: Path, spec: ModelSpec) -> None:
    """Raise `BadModelError` where the manifest pins the folder's content and it is another one."""
    if spec.revision is None:
        return
    found = folder_digest(folder)
    if found != spec.revision:
        raise BadModelError(
            f"spec.model.revision: {spec.uri} has the digest {found}, not {spec.revision}. Look at what changed, then "
            "set the revision anew."
        )


def try_code(files: ModelFiles, spec: VisionFineTuneSpec, settings: Settings) -> None:
    """Import the model's own classes, if it has any that are trusted, and build it without weights.

    Raises:
        BadModelError: the code is not complete or is not here, or today's transformers cannot run it.
    """
    remote = files.family.remote_code
    if remote is None:
        return
    classes = class_names(files.folder, files.identity)
    libraries.prepare(spec.resources, settings.device)
    try:
        _build_empty(files.folder, classes)
    except Exception as error:  # somebody else's code raises what it likes
        import transformers

        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise BadModelError(
            f"{files.identity}: the code that comes with the model cannot be run ({type(error).__name__}: {reason}). "
            f"Its authors wrote it for transformers {remote.transformers}; {transformers.__version__} is installed. "
            f"Use {remote.instead}, or a copy whose code was ported."
        ) from error


def class_names(folder: Path, what: str) -> dict[str, str]:
    """The classes that the model's files name, by transformers' auto class. Raises `BadModelError`."""
    classes: dict[str, str] = {}
    for file in MAPS:
        for auto_class, name in _map_of(folder / file):
            if OTHER_REPOSITORY in name:
                raise BadModelError(
                    f"{what}: {file} takes {auto_class} from another repository ({name}), whose code is not pinned by "
                    "spec.model.revision. Copy the code beside the model and name it there."
                )
            classes[auto_class] = name
    missing = [] if "AutoConfig" in classes else ["AutoConfig"]
    if not any(name in classes for name in MODEL_CLASSES):
        missing.append(MODEL_CLASSES[0])
    if missing:
        raise BadModelError(
            f"{what}: config.json's auto_map has no {' and no '.join(missing)}, and the model is not part of "
            "transformers. Copy config.json and the *.py files from where the model came from."
        )
    return classes


def _map_of(path: Path) -> Iterator[tuple[str, str]]:
    try:
        entries: Any = json.loads(read_text(path)).get("auto_map", {})
    except (OSError, ValueError, AttributeError):
        return
    for auto_class, names in entries.items() if isinstance(entries, Mapping) else ():
        for name in names if isinstance(names, list) else [names]:  # tokenizers: [slow, fast]
            if isinstance(name, str):
                yield auto_class, name


def _build_empty(folder: Path, classes: Mapping[str, str]) -> None:
    import torch
    from transformers.dynamic_module_utils import get_class_from_dynamic_module

    loaded: dict[str, Any] = {
        auto_class: get_class_from_dynamic_module(name, folder, local_files_only=True)
        for auto_class, name in classes.items()
    }
    config = loaded["AutoConfig"].from_pretrained(folder, local_files_only=True)
    model = loaded[next(name for name in MODEL_CLASSES if name in loaded)]
    with torch.device("meta"):
        model(config)
