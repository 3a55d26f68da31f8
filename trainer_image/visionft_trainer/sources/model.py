"""Where the base model's files come from: a claim, or the hub. Looks at `config.json` before anything heavy starts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from visionft_api.spec import ModelSpec

from visionft_trainer.data.values import show
from visionft_trainer.errors import BadModelError
from visionft_trainer.families import FAMILIES, Family, find_family
from visionft_trainer.servers.hub import wait_as
from visionft_trainer.servers.patience import READING, noticing
from visionft_trainer.settings import Settings
from visionft_trainer.sources import model_code, places
from visionft_trainer.sources.hub_errors import Asked, explained
from visionft_trainer.sources.model_files import ModelFiles
from visionft_trainer.sources.transfer import filling, need_room
from visionft_trainer.storage.plain_files import NOT_PLAIN, first_odd, read_text

CONFIG_FILE = "config.json"
# Files of a checkpoint that are read: no pickled weights, and code only where it is trusted.
WEIGHTS = "*.safetensors"
HUB_PATTERNS = ("*.json", "*.jinja", "*.txt", "*.model")
PROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json")  # either will do
TOKENIZER_FILES = ("tokenizer.json",)


def locate(spec: ModelSpec, settings: Settings, commit: str | None = None, *, weights: bool = True) -> ModelFiles:
    """Find (from the hub: download) the model's files and check that they can be trained.

    `commit` is the hub's commit that this run began with, so that a moved branch changes nothing. Without `weights`
    they are neither asked for nor downloaded: what they are made of is known without them.

    Raises:
        BadModelError: missing, incomplete or not of a supported family.
        RunError: the hub cannot be reached, which another try may mend.
    """
    if spec.pvc is not None:
        field = "spec.model.uri"
        folder = places.in_claim(settings, spec.pvc.claim_name, spec.pvc.path, field)
        identity, revision = str(spec.uri), None
        if not folder.is_dir():
            raise BadModelError(f"{field}: {spec.uri} is not a folder ({folder}). Copy the model's files there.")
        family = check_folder(folder, f"{field}: {identity}", spec, weights=weights)
        model_code.check_digest(folder, spec)
    else:
        field = "spec.model.name"
        identity = str(spec.name)
        # Its configuration alone first: a model that cannot be trained is not downloaded.
        folder = _download(identity, commit or spec.revision, (CONFIG_FILE,))
        revision = folder.name
        code = model_code.CODE_PATTERNS if _family(folder, f"{field}: {identity}", spec).remote_code else ()
        folder = _download(identity, revision, HUB_PATTERNS + code + ((WEIGHTS,) if weights else ()))
        family = check_folder(folder, f"{field}: {identity}", spec, weights=weights)
    return ModelFiles(folder, family, identity, revision)


def check_folder(folder: Path, what: str, spec: ModelSpec, *, weights: bool = True) -> Family:
    """The family of the model in `folder`, whose files are complete and whose code, if it needs any, is trusted.

    Raises `BadModelError` that starts with `what`.
    """
    family = _family(folder, what, spec)
    odd = first_odd(folder)
    if odd is not None:
        raise BadModelError(f"{what}: {odd.name} {NOT_PLAIN}. Copy the model's files again.")
    if not any((folder / name).is_file() for name in PROCESSOR_FILES):
        raise BadModelError(f"{what} has no {PROCESSOR_FILES[0]}. Copy the image processor's files beside the weights.")
    for name in TOKENIZER_FILES:
        if not (folder / name).is_file():
            raise BadModelError(f"{what} has no {name}. Copy the tokenizer's files beside the weights.")
    if weights and not any(folder.glob(WEIGHTS)):
        raise BadModelError(
            f"{what} has no *.safetensors file. Save the model with save_pretrained; pickles are not read."
        )
    return family


def _family(folder: Path, what: str, spec: ModelSpec) -> Family:
    config = read_config(folder, what)
    family = find_family(config)
    if family is None:
        supported = ", ".join(f"{family.name} ({', '.join(sorted(family.model_types))})" for family in FAMILIES)
        raise BadModelError(
            f"{what} is a {show(config.get('model_type', 'nameless'))} model, which is not a supported vision-language "
            f"family. Supported: {supported}."
        )
    model_code.refuse_untrusted(family, spec, what)
    return family


def read_config(folder: Path, what: str) -> dict[str, Any]:
    """config.json of the model in `folder`. Raises `BadModelError` that starts with `what`."""
    try:
        config = json.loads(read_text(folder / CONFIG_FILE))
    except FileNotFoundError:
        raise BadModelError(f"{what} has no {CONFIG_FILE}. Name the folder that save_pretrained wrote.") from None
    except (OSError, ValueError) as error:
        raise BadModelError(f"{what}: {CONFIG_FILE} cannot be read ({error}). Copy the model's files again.") from None
    if not isinstance(config, dict):
        raise BadModelError(f"{what}: {CONFIG_FILE} is not a JSON object. Copy the model's files again.")
    return config


def _download(name: str, revision: str | None, patterns: tuple[str, ...]) -> Path:
    """The snapshot folder, named by its commit. The hub's address and token come from HF_ENDPOINT and HF_TOKEN.

    Raises `StorageFailedError` before the download where the disk is too small for what is missing.
    """
    from huggingface_hub import snapshot_download

    asked = Asked(
        kind="model",
        name=name,
        field="spec.model.name",
        parent="spec.model",
        revision=revision,
        refused=BadModelError,
        other_way="put the model on a claim and name it by spec.model.uri",
    )
    wait_as(READING)
    with explained(asked):
        with noticing(f"{asked.field}: {name}: no answer from the hub yet"):
            place, missing = _missing(name, revision, patterns)
        need_room(place, missing, asked.field)
        with filling(place, asked.field):
            return Path(snapshot_download(name, revision=revision, allow_patterns=list(patterns)))


def _missing(name: str, revision: str | None, patterns: tuple[str, ...]) -> tuple[Path, int]:
    """The folder that downloads go to, or the nearest one above it that is there, and how many bytes will."""
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import DryRunError
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    cache = Path(constants.HF_HUB_CACHE).expanduser().resolve()
    place = next(folder for folder in (cache, *cache.parents) if folder.is_dir())
    shown = not are_progress_bars_disabled()
    disable_progress_bars()  # there is nothing to watch yet
    try:
        planned = snapshot_download(name, revision=revision, allow_patterns=list(patterns), dry_run=True)
    except DryRunError:  # the hub cannot be asked: what was fetched before may do, else the download says why
        return place, 0
    finally:
        if shown:
            enable_progress_bars()
    return place, sum(file.file_size or 0 for file in planned if file.will_download)
