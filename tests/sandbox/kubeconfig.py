"""Write kubeconfig files."""

from pathlib import Path
from typing import Any

import yaml

from sandbox.certificates import KeyPair

CONTEXT = "visionft-sandbox"


def with_certificate(path: Path, url: str, ca: Path, user: KeyPair) -> Path:
    """A kubeconfig whose user is known by a client certificate."""
    return _write(path, url, ca, {"client-certificate": str(user.certificate), "client-key": str(user.key)})


def with_token(path: Path, url: str, ca: Path, token: str) -> Path:
    """A kubeconfig whose user is known by a token."""
    return _write(path, url, ca, {"token": token})


class NotOursError(Exception):
    """A file that the sandbox did not write is in the way; the message says what to do."""


class Export:
    """A copy of a sandbox's kubeconfig at a place of the user's choice. Another cluster's file is never touched."""

    def __init__(self, path: Path) -> None:
        """Raises NotOursError when something else lies at `path`."""
        if path.exists() and path.stat().st_size > 0 and not _is_ours(path):
            raise NotOursError(f"{path} exists and was not written by a sandbox; choose another path or move it away.")
        self.path = path.resolve()

    def write(self, source: Path) -> None:
        """Copy `source` there, for this user's eyes only."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        self.path.touch(mode=0o600)
        self.path.write_bytes(source.read_bytes())

    def remove(self) -> None:
        """Take it away, unless something else has taken its place."""
        if self.path.exists() and _is_ours(self.path):
            self.path.unlink()


def _is_ours(path: Path) -> bool:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return False
    return isinstance(document, dict) and [one.get("name") for one in document.get("clusters") or []] == [CONTEXT]


def _write(path: Path, url: str, ca: Path, user: dict[str, Any]) -> Path:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": CONTEXT,
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT}}],
        "clusters": [{"name": CONTEXT, "cluster": {"server": url, "certificate-authority": str(ca)}}],
        "users": [{"name": CONTEXT, "user": user}],
    }
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path
