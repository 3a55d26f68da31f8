"""Rows of a data set on the hub: its files at one commit, without running any of its code."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visionft_api.spec.dataset import HubSource

from visionft_trainer.data.containers.files import ending_of
from visionft_trainer.errors import BadDatasetError
from visionft_trainer.servers.hub import wait_as
from visionft_trainer.servers.patience import READING, Sleep
from visionft_trainer.settings import Settings
from visionft_trainer.sources.hub_errors import Asked, explained
from visionft_trainer.sources.hub_files import NoSuchFilesError, choose, pictures_of
from visionft_trainer.sources.local import LocalData
from visionft_trainer.sources.revisions import Revisions
from visionft_trainer.sources.transfer import filling, in_parallel, inside, need_room, retried


@dataclass(frozen=True)
class _Repository:
    """A data set's repository at one commit."""

    commit: str
    sizes: Mapping[str, int]
    """Of its files, by name."""
    card: Mapping[str, Any]


def fetch(
    source: HubSource,
    settings: Settings,
    split: str,
    field: str,
    scratch: Path,
    revisions: Revisions,
    sleep: Sleep = time.sleep,
) -> LocalData:
    """Download the files of the configuration and split, at the commit that the run began with.

    The hub's address comes from HF_ENDPOINT, the token from the Secret, on a workstation from HF_TOKEN.

    Raises:
        BadDatasetError: no such data set, revision, configuration or split, or no right to read it.
        RunError: the hub cannot be reached.
        StorageFailedError: the disk is too small.
    """
    token = settings.secret(split, "HF_TOKEN")
    commit = revisions.get(field)
    asked = Asked(
        kind="dataset",
        name=source.repo,
        field=f"{field}.repo",
        parent=field,
        revision=commit or source.revision,
        refused=BadDatasetError,
        other_way="copy the data to a claim and use pvc",
    )
    wait_as(READING)
    said = f"{field}.repo: {source.repo}"
    repository = retried(lambda: _look(source.repo, commit or source.revision, token, asked), said, sleep, lambda: 0)
    revisions.keep(field, repository.commit)
    try:
        files = choose(repository.sizes, repository.card, source.config, source.split)
    except NoSuchFilesError as error:
        raise BadDatasetError(f"{field}: {source.repo}: {error}.") from None
    wanted = list(dict.fromkeys([*files, *pictures_of(files, repository.sizes)]))
    top = scratch / source.repo.rpartition("/")[2]
    top.mkdir(parents=True, exist_ok=True)
    for name in wanted:
        inside(top, name, field, BadDatasetError)
    need_room(top, sum(repository.sizes[name] for name in wanted), field)
    with filling(top, field):
        retried(lambda: _download(source.repo, repository.commit, wanted, top, token, asked), said, sleep)
    if not any(ending_of(name) for name in files):  # pictures alone
        return LocalData(top, top)
    return LocalData(top, top, [top / name for name in files])


def _look(name: str, revision: str | None, token: str | None, asked: Asked) -> _Repository:
    from huggingface_hub import HfApi

    with explained(asked):
        info = HfApi(token=token).dataset_info(name, revision=revision, files_metadata=True, timeout=READING.silence)
    sizes = {entry.rfilename: entry.size or 0 for entry in info.siblings or []}
    card = dict(info.card_data.to_dict()) if info.card_data is not None else {}  # type: ignore[no-untyped-call]
    return _Repository(str(info.sha), sizes, card)


def _download(name: str, commit: str, files: Sequence[str], top: Path, token: str | None, asked: Asked) -> None:
    """Fetch what is not there yet; the library goes on with files that were begun."""
    from huggingface_hub import hf_hub_download

    def download(file: str) -> None:
        hf_hub_download(name, file, repo_type="dataset", revision=commit, local_dir=top, token=token)

    with explained(asked):
        in_parallel(download, files)
