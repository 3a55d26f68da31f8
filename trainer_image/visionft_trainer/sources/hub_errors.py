"""What the hub's refusals mean, said the same way for models and data sets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from visionft_trainer.errors import RunError


@dataclass(frozen=True)
class Asked:
    """What is asked of the hub, as errors name it."""

    kind: str
    """`model` or `dataset`."""
    name: str
    field: str
    """Of the manifest, where the name stands."""
    parent: str
    """The field that `revision` and `secretRef` are below."""
    revision: str | None
    refused: type[RunError]
    """The error for what a person must mend."""
    other_way: str
    """What can be done where there is no way to the hub."""


@contextmanager
def explained(asked: Asked) -> Iterator[None]:
    """Turn the hub library's errors into sentences.

    Raises:
        RunError: of the class `asked.refused`, or itself where the hub cannot be reached, which another try may mend.
    """
    import httpx2
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    what = f"{asked.field}: {asked.name}"
    secret = f"{asked.parent}.secretRef (key HF_TOKEN)"
    try:
        yield
    except GatedRepoError:
        raise asked.refused(
            f"{what} is gated. Accept its terms on the hub and put a token of that account into {secret}."
        ) from None
    except RepositoryNotFoundError:
        raise asked.refused(
            f"{asked.field}: the hub has no {asked.kind} {asked.name}, or it is private. Check the name; for a private "
            f"{asked.kind} set {secret}."
        ) from None
    except RevisionNotFoundError:
        raise asked.refused(
            f"{asked.parent}.revision: {asked.name} has no revision {asked.revision!r}. Name a branch, tag or commit."
        ) from None
    except (HfHubHTTPError, LocalEntryNotFoundError, httpx2.HTTPError) as error:
        # Where a file is neither there nor in the cache, the library tells the second; the first is the reason.
        reason = error.__cause__ if isinstance(error, LocalEntryNotFoundError) and error.__cause__ else error
        response = getattr(reason, "response", None)
        if response is not None and response.status_code in (401, 403):
            raise asked.refused(
                f"{what} is refused by the hub ({response.status_code}). Check the token in {secret}: that it is valid "
                f"and may read this {asked.kind}."
            ) from None
        said = str(reason).partition("\n")[0]
        raise RunError(
            f"{what} could not be fetched from the hub ({said}). Check the cluster's way to the hub, or "
            f"{asked.other_way}."
        ) from error
