"""`spec.model`: what is tuned."""

from typing import Literal

from pydantic import Field

from visionft_api.base import ApiModel
from visionft_api.fields import CLAIM_PATH_PATTERN, DNS_NAME_PATTERN, MODEL_URI_PATTERN, HubId, Revision
from visionft_api.locations import PVC_SCHEME, PvcLocation, parse_pvc_uri
from visionft_api.rules import Rule
from visionft_api.spec.refs import SecretRef

_PVC_URI = f"^pvc://{DNS_NAME_PATTERN[1:-1]}(/{CLAIM_PATH_PATTERN[1:-1]})?/?$"


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
    revision: Revision | None = Field(
        default=None,
        description="Branch, tag or commit of the hub model. Absent: its main branch, resolved when a run starts.",
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
        description="Run Python code that comes with the model. Needs a revision, so that the code cannot change.",
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
            cel="!has(self.revision) || has(self.name)",
            holds=lambda m: m.revision is None or m.name is not None,
            message='revision "{revision}" is only for a model on the hub; set name, or remove revision',
            at="revision",
        ),
        Rule(
            cel="!self.trustRemoteCode || has(self.revision)",
            holds=lambda m: not m.trust_remote_code or m.revision is not None,
            message="trustRemoteCode true needs revision: set it to the commit whose code you have read",
            at="trustRemoteCode",
        ),
    )

    @property
    def pvc(self) -> PvcLocation | None:
        """Where the model lies, when it lies on a claim."""
        return parse_pvc_uri(self.uri) if self.uri is not None and self.uri.startswith(PVC_SCHEME) else None
