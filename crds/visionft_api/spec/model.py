"""`spec.model`: what is tuned."""

import re
from typing import Literal

from pydantic import Field

from visionft_api.base import ApiModel
from visionft_api.fields import (
    CLAIM_PATH_PATTERN,
    COMMIT_PATTERN,
    DIGEST_PATTERN,
    DNS_NAME_PATTERN,
    MODEL_REVISION_PATTERN,
    MODEL_URI_PATTERN,
    HubId,
    ModelRevision,
)
from visionft_api.locations import PVC_SCHEME, PvcLocation, parse_pvc_uri
from visionft_api.rules import Rule, malformed
from visionft_api.spec.refs import SecretRef

_MALFORMED = (malformed("revision", MODEL_REVISION_PATTERN),)
_PVC_URI = f"^pvc://{DNS_NAME_PATTERN[1:-1]}(/{CLAIM_PATH_PATTERN[1:-1]})?/?$"


def _is_digest(revision: str | None) -> bool:
    return revision is not None and re.match(DIGEST_PATTERN, revision) is not None


def _is_commit(revision: str | None) -> bool:
    return revision is not None and re.match(COMMIT_PATTERN, revision) is not None


def _is_pvc_uri(uri: str) -> bool:
    try:
        parse_pvc_uri(uri)
    except ValueError:
        return False
    return True


class ModelSpec(ApiModel):
    """The base model: a name on the hub, or a place that holds its files."""

    name: HubId | None = Field(
        default=None,
        description="Name on the Hugging Face hub, such as Qwen/Qwen2-VL-2B-Instruct. Set this or uri.",
    )
    uri: str | None = Field(
        default=None,
        pattern=MODEL_URI_PATTERN,
        min_length=7,
        max_length=512,
        description="Place of the model's files: pvc://CLAIM/PATH of a claim in the same namespace. Set this or name.",
    )
    revision: ModelRevision | None = Field(
        default=None,
        description="Of a hub model: its branch, tag or commit. Absent: its main branch, resolved when a run starts. "
        'Of a uri: the digest that its folder must have, "sha256:" and 64 hexadecimal digits. Absent: any.',
    )
    secret_ref: SecretRef | None = Field(
        default=None, description="Secret whose key HF_TOKEN opens a gated or private hub model."
    )
    quantization: Literal["nf4", "int8", "none"] = Field(
        default="nf4",
        description="How the frozen language weights are held while training: nf4 (4 bits), int8 or none (16 bits). "
        "The vision tower always keeps its precision.",
    )
    trust_remote_code: bool = Field(
        default=False,
        description="Run Python code that comes with the model. Needs as revision the commit or the digest whose code "
        "you have read, so that it cannot change.",
    )

    rules = (
        Rule(
            cel="has(self.name) != has(self.uri)",
            holds=lambda m: (m.name is not None) != (m.uri is not None),
            message="set exactly one of name (a model on the hub) and uri (pvc://CLAIM/PATH)",
        ),
        Rule(
            # A uri without a known scheme is the pattern's affair.
            cel=f"!has(self.uri) || !self.uri.startsWith('pvc://') || self.uri.matches(r'{_PVC_URI}')",
            holds=lambda m: m.uri is None or not m.uri.startswith(PVC_SCHEME) or _is_pvc_uri(m.uri),
            message='uri "{uri}" does not name a place inside a claim; write pvc://CLAIM/PATH without ".."',
            at="uri",
        ),
        Rule(
            cel=f"!has(self.revision) || !has(self.uri) || self.revision.matches(r'{DIGEST_PATTERN}')",
            holds=lambda m: m.revision is None or m.uri is None or _is_digest(m.revision),
            message='revision "{revision}" is of a model on the hub; for a uri write the digest of its folder, '
            '"sha256:" and 64 hexadecimal digits, or remove revision',
            at="revision",
            unless=_MALFORMED,
        ),
        Rule(
            cel="!has(self.revision) || has(self.uri) || !self.revision.startsWith('sha256:')",
            holds=lambda m: m.revision is None or m.uri is not None or not m.revision.startswith("sha256:"),
            message='revision "{revision}" is the digest of a folder; for a model on the hub write a branch, tag or '
            "commit",
            at="revision",
            unless=_MALFORMED,
        ),
        Rule(
            cel="!self.trustRemoteCode || has(self.uri) || "
            f"(has(self.revision) && self.revision.matches(r'{COMMIT_PATTERN}'))",
            holds=lambda m: not m.trust_remote_code or m.uri is not None or _is_commit(m.revision),
            message="trustRemoteCode true needs as revision a commit, which cannot change as a branch or tag can: set "
            "revision to the 40 hexadecimal digits of the commit whose code you have read",
            at="trustRemoteCode",
        ),
        Rule(
            cel="!self.trustRemoteCode || !has(self.uri) || has(self.revision)",
            holds=lambda m: not m.trust_remote_code or m.uri is None or m.revision is not None,
            message="trustRemoteCode true needs as revision the digest of the folder: set revision to the sha256: of "
            "the files whose code you have read",
            at="trustRemoteCode",
        ),
    )

    @property
    def pvc(self) -> PvcLocation | None:
        """Where the model lies, when it lies on a claim."""
        return parse_pvc_uri(self.uri) if self.uri is not None and self.uri.startswith(PVC_SCHEME) else None
