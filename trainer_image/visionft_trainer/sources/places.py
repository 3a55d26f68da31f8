"""From what a manifest says (`pvc: {claimName, path}`, `pvc://claim/path`) to a folder on this machine."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from visionft_trainer.errors import BadConfigError
from visionft_trainer.settings import Settings


def claim_folder(settings: Settings, claim: str, field: str) -> Path:
    """The folder that stands for `claim`. Raises `BadConfigError` naming `field` when there is none."""
    folder = settings.claims.get(claim, settings.pvc_root / claim)
    if not folder.is_dir():
        raise BadConfigError(
            f"{field}: the claim {claim!r} is not mounted here ({folder} is not a folder). "
            f"On a workstation name a folder for it: --pvc {claim}=DIR."
        )
    return folder.resolve()


def in_claim(settings: Settings, claim: str, path: str, field: str) -> Path:
    """`path` inside `claim`, links followed; it need not exist. Raises `BadConfigError` when it leaves the claim."""
    root = claim_folder(settings, claim, field)
    relative = PurePosixPath(path)
    try:
        target = (root / relative).resolve()
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
        raise BadConfigError(f"{field}: {path!r} cannot be followed ({error}). Mend the link on the claim.") from None
    if relative.is_absolute() or not target.is_relative_to(root):
        raise BadConfigError(
            f"{field}: {path!r} leads out of the claim {claim!r}. Give a path relative to the claim's top."
        )
    return target
