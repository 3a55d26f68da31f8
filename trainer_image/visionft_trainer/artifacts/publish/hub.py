"""Artifacts in a repository of the Hugging Face hub, all of a run in one commit: there wholly, or not at all.

A single model lies at the repository's top, so that `from_pretrained("owner/name")` finds it. Two lie in `adapter/` and
`merged/`, the page in `report/`. Files of an earlier artifact that this one does not have go in the same commit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from visionft_api.spec import HubOutput
from visionft_api.status import Artifact as Published

from visionft_trainer.artifacts import sums
from visionft_trainer.artifacts.artifact import Artifact, Kind
from visionft_trainer.artifacts.publish.destination import Tick, in_order, persevere
from visionft_trainer.errors import StorageFailedError
from visionft_trainer.servers.hub import wait_as
from visionft_trainer.servers.patience import PASSING, WRITING, PassingError, Patience, Sleep
from visionft_trainer.settings import Settings
from visionft_trainer.storage.folder import RUN_PREFIX, Owner

if TYPE_CHECKING:
    from huggingface_hub import HfApi

FIELD = "spec.output.hub"
SECRETS = (
    "output_hub"  # VISIONFT_SECRET_OUTPUT_HUB_HF_TOKEN; on a workstation HF_TOKEN, or what the hub's login has left
)
CARD = "README.md"
REPORT: Kind = "report"

T = TypeVar("T")


class HubDestination:
    """The repository of `spec.output.hub`. The hub's address comes from HF_ENDPOINT."""

    def __init__(
        self,
        output: HubOutput,
        owner: Owner,
        settings: Settings,
        sleep: Sleep = time.sleep,
        patience: Patience = WRITING,
    ) -> None:
        self._output, self._owner, self._patience, self._sleep = output, owner, patience, sleep
        self._token = settings.secret(SECRETS, "HF_TOKEN")

    def check(self) -> None:
        """Make the repository where it is missing. Raises `StorageFailedError`."""
        self._prepare(self._api())

    def put(self, artifacts: Sequence[Artifact], tick: Tick) -> list[Published]:
        """Commit them. Raises `StorageFailedError`."""
        api = self._api()
        self._prepare(api)
        alone = len(artifacts) == 1 and artifacts[0].kind != REPORT
        tops = {artifact.kind: "" if alone else f"{artifact.kind}/" for artifact in artifacts}
        commit = self._asked(lambda: self._commit(api, artifacts, tops), gained=None)
        total = sum(artifact.size for artifact in artifacts)
        tick(total, total)
        return [
            Published(
                kind=each.kind,
                uri="/".join(
                    part for part in (f"hf://{self._output.repo}@{commit}", tops[each.kind].strip("/")) if part
                ),
                digest=each.digest,
                size=each.size,
            )
            for each in artifacts
        ]

    def _prepare(self, api: HfApi) -> None:
        output = self._output
        self._asked(lambda: api.create_repo(output.repo, private=output.private, exist_ok=True))
        if output.revision is not None:
            branch = output.revision
            self._asked(lambda: api.create_branch(output.repo, branch=branch, exist_ok=True))

    def _commit(self, api: HfApi, artifacts: Sequence[Artifact], tops: Mapping[Kind, str]) -> str:
        """One try; gives the commit. What the hub has of the files is not sent again."""
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        output = self._output
        there = set(api.list_repo_files(output.repo, revision=output.revision))
        adds = {
            f"{tops[artifact.kind]}{name}": artifact.folder / name
            for artifact in artifacts
            for name, _ in in_order(artifact.folder)
        }
        if len(artifacts) > 1 and (artifacts[-1].folder / CARD).is_file():
            adds[CARD] = artifacts[-1].folder / CARD  # what the hub's page of the repository shows
        operations: list[Any] = [CommitOperationAdd(name, file) for name, file in adds.items()]
        # A page is committed after the models that it is about, and replaces a page only.
        places = [f"{REPORT}/"] if artifacts[0].kind == REPORT else ["", "adapter/", "merged/"]
        old = self._of_earlier(api, there, places)
        operations += [CommitOperationDelete(name) for name in sorted((old & there) - adds.keys())]
        done = api.create_commit(
            output.repo,
            operations,
            commit_message=f"{self._owner.name}: {RUN_PREFIX}{self._owner.run}",
            revision=output.revision,
        )
        return str(done.oid)

    def _of_earlier(self, api: HfApi, there: set[str], places: Sequence[str]) -> set[str]:
        """The files of artifacts that were committed before, as their SHA256SUMS name them."""
        found: set[str] = set()
        for top in places:
            name = f"{top}{sums.FILE}"
            if name not in there:
                continue
            place = api.hf_hub_download(self._output.repo, name, revision=self._output.revision)
            try:
                with open(place, "rb") as file:  # noqa: PTH123 - a link in the hub's cache
                    listed = sums.parse(file.read(sums.MAX_BYTES))
            except sums.SumsBrokenError:
                continue
            found |= {f"{top}{each}" for each in listed} | {name}
        return found

    def _api(self) -> HfApi:
        from huggingface_hub import HfApi

        wait_as(self._patience)
        return HfApi(token=self._token)

    def _asked(self, attempt: Callable[[], T], gained: Callable[[], int] | None = lambda: 0) -> T:
        """`attempt` with patience, and with the hub's refusals in words."""
        import httpx2
        from huggingface_hub.errors import HfHubHTTPError

        def tried() -> T:
            try:
                return attempt()
            except (HfHubHTTPError, httpx2.HTTPError, OSError, RuntimeError, ValueError) as error:
                raise self._meaning(error) from error

        return persevere(tried, f"{FIELD}: {self._output.repo}", self._patience, self._sleep, gained)

    def _meaning(self, error: Exception) -> Exception:
        from huggingface_hub.errors import HfHubHTTPError

        # An upload that fails in a thread of the library comes wrapped, with the reason as its cause.
        cause = error.__cause__ if isinstance(error, RuntimeError) and error.__cause__ is not None else error
        response = getattr(cause, "response", None) if isinstance(cause, HfHubHTTPError) else None
        status = response.status_code if response is not None else 0
        said = str(getattr(cause, "server_message", None) or str(cause).partition("\n")[0])
        told = f"the hub says {status}: {said}" if status else said
        repo = self._output.repo
        if status in (401, 403):
            return StorageFailedError(
                f"{FIELD}: {repo} must not be written ({told}). Put a token that may write there into the Secret of "
                f"{FIELD}.secretRef, under the key HF_TOKEN."
            )
        if status == 404:
            return StorageFailedError(f"{FIELD}.repo: {repo} is not there ({told}). Check owner, name and revision.")
        if status in (413, 507) or "quota" in said.lower() or "storage limit" in said.lower():
            return StorageFailedError(f"{FIELD}: {repo} has no room ({told}). Free storage of its owner, or raise it.")
        if "certificate" in said.lower():
            return StorageFailedError(
                f"{FIELD}: the certificate of the hub is not trusted here ({said}). Mend it, or use an image whose "
                "trust store has its authority."
            )
        if 400 <= status < 500 and status not in PASSING and status != 412:  # 412: somebody else has just committed
            return StorageFailedError(f"{FIELD}: the commit to {repo} is refused ({told}).")
        return PassingError(told)
