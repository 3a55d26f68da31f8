"""Places on a persistent volume claim: `pvc://CLAIM/PATH`."""

import re
from dataclasses import dataclass

from visionft_api.fields import CLAIM_PATH_PATTERN, DNS_NAME_PATTERN

PVC_SCHEME = "pvc://"
_CLAIM = re.compile(DNS_NAME_PATTERN)
_PATH = re.compile(CLAIM_PATH_PATTERN)


@dataclass(frozen=True)
class PvcLocation:
    """A path inside a claim; "" is the claim's root."""

    claim_name: str
    path: str

    @property
    def uri(self) -> str:
        """The place as a URI."""
        return f"{PVC_SCHEME}{self.claim_name}/{self.path}"


def parse_pvc_uri(uri: str) -> PvcLocation:
    """Read `pvc://CLAIM/PATH`.

    Raises:
        ValueError: another scheme, no claim, or a path that leaves the claim.
    """
    if not uri.startswith(PVC_SCHEME):
        raise ValueError(f'"{uri}" does not start with "{PVC_SCHEME}"')
    claim, _, path = uri.removeprefix(PVC_SCHEME).partition("/")
    if _CLAIM.fullmatch(claim) is None:
        raise ValueError(f'"{uri}": "{claim}" is not the name of a claim; write pvc://CLAIM/PATH')
    if path and _PATH.fullmatch(path) is None:
        raise ValueError(f'"{uri}": "{path}" is not a path inside the claim; write pvc://CLAIM/PATH without ".."')
    return PvcLocation(claim, path.rstrip("/"))
