"""Where the trainer finds its places: the environment that the operator sets, or flags on a workstation.

No path is written down anywhere else in this package.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from visionft_trainer.errors import BadConfigError

DEFAULT_PVC_ROOT = "/mnt/visionft/pvc"
DEFAULT_CONFIG_MAP_ROOT = "/mnt/visionft/configmap"
DEFAULT_REGION = "us-east-1"  # servers other than AWS take any
SECRET_PREFIX = "VISIONFT_SECRET_"  # noqa: S105 - of variables: VISIONFT_SECRET_TRAIN_HF_TOKEN
# What a workstation has without a prefix; the hub's own library finds HF_TOKEN by itself.
PLAIN_SECRETS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class Settings:
    """Every place outside the process that a run reads or writes."""

    pvc_root: Path = Path(DEFAULT_PVC_ROOT)
    """A claim named X is the folder `pvc_root/X`, unless `claims` has it."""
    claims: Mapping[str, Path] = field(default_factory=dict)
    """Folders that stand for claims on a workstation (`--pvc CLAIM=DIR`)."""
    config_map_root: Path = Path(DEFAULT_CONFIG_MAP_ROOT)
    """The key K of the ConfigMap X is the file `config_map_root/X/K`."""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Secrets of the sources of rows by name, such as TRAIN_HF_TOKEN, and those that a workstation has for all."""
    region: str = DEFAULT_REGION
    """Of S3 buckets."""
    workspace: Path = Path(tempfile.gettempdir()) / "visionft"
    """Where a run works that has no output claim."""
    image: str | None = None
    """The container image that this runs in, as provenance names it; None on a workstation."""
    docker_config: Path | None = None
    """A dockerconfigjson with the registries' credentials; None: that of the user, where there is one."""
    device: str = "auto"
    """cpu, cuda, or auto: a GPU exactly when the manifest asks for one."""
    termination_log: Path | None = None
    """Where Kubernetes reads the termination message; None on a workstation."""
    report_url: str | None = None
    report_token_file: Path | None = None
    report_ca_file: Path | None = None
    """None: the system's certificate authorities."""

    @classmethod
    def from_environment(cls, env: Mapping[str, str], pvc: Sequence[str] = (), device: str | None = None) -> Settings:
        """Read `VISIONFT_*` from `env`; `pvc` holds the values of the `--pvc` flag. Raises `BadConfigError`."""
        chosen = device or env.get("VISIONFT_DEVICE") or "auto"
        if chosen not in DEVICES:
            raise BadConfigError(f"VISIONFT_DEVICE is {chosen!r}; use one of {', '.join(DEVICES)}.")
        return cls(
            pvc_root=Path(env.get("VISIONFT_PVC_ROOT") or DEFAULT_PVC_ROOT),
            claims=dict(parse_claim(text) for text in pvc),
            config_map_root=Path(env.get("VISIONFT_CONFIGMAP_ROOT") or DEFAULT_CONFIG_MAP_ROOT),
            secrets=_secrets(env),
            region=env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or DEFAULT_REGION,
            workspace=_optional_path(env, "VISIONFT_WORKSPACE") or cls.workspace,
            image=env.get("VISIONFT_IMAGE") or None,
            docker_config=_optional_path(env, "VISIONFT_SECRET_OUTPUT_OCI_DOCKERCONFIGJSON"),
            device=chosen,
            termination_log=_optional_path(env, "VISIONFT_TERMINATION_LOG"),
            report_url=env.get("VISIONFT_REPORT_URL") or None,
            report_token_file=_optional_path(env, "VISIONFT_REPORT_TOKEN_FILE"),
            report_ca_file=_optional_path(env, "VISIONFT_REPORT_CA_FILE"),
        )

    def secret(self, split: str, key: str) -> str | None:
        """The value of `key` in the Secret of the rows called `split` (train, validation)."""
        return self.secrets.get(f"{split.upper()}_{key}") or self.secrets.get(key)


def parse_claim(text: str) -> tuple[str, Path]:
    """`data=/srv/lines` to `("data", Path("/srv/lines"))`. Raises `BadConfigError`."""
    claim, separator, folder = text.partition("=")
    if not separator or not claim or not folder:
        raise BadConfigError(f"--pvc {text}: write it as CLAIM=DIR, for example --pvc data=./data.")
    return claim, Path(folder).expanduser()


def _secrets(env: Mapping[str, str]) -> dict[str, str]:
    own = {name.removeprefix(SECRET_PREFIX): value for name, value in env.items() if name.startswith(SECRET_PREFIX)}
    return own | {name: env[name] for name in PLAIN_SECRETS if env.get(name)}


def _optional_path(env: Mapping[str, str], name: str) -> Path | None:
    value = env.get(name)
    return Path(value) if value else None
