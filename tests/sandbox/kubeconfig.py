"""Write kubeconfig files."""

from pathlib import Path
from typing import Any

import yaml

from sandbox.certificates import KeyPair

CONTEXT = "sandbox"


def with_certificate(path: Path, url: str, ca: Path, user: KeyPair) -> Path:
    """A kubeconfig whose user is known by a client certificate."""
    return _write(path, url, ca, {"client-certificate": str(user.certificate), "client-key": str(user.key)})


def with_token(path: Path, url: str, ca: Path, token: str) -> Path:
    """A kubeconfig whose user is known by a token."""
    return _write(path, url, ca, {"token": token})


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
