"""Fresh copies of what was published, made as users make them, by plain clients."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import obstore
from obstore.store import S3Store
from visionft_trainer.artifacts import sums, verify
from visionft_trainer.artifacts.oci_layout import TITLE

BUCKET = "models"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def from_bucket(bucket: S3Store, prefix: str, target: Path) -> Path:
    """Every object below `prefix`."""
    for page in obstore.list(bucket, prefix=prefix):
        for entry in page:
            file = target / entry["path"].removeprefix(f"{prefix}/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(bytes(obstore.get(bucket, entry["path"]).bytes()))
    return target


def in_bucket(bucket: S3Store, prefix: str) -> bool:
    """Whether there is an artifact: whoever reads needs to ask for SHA256SUMS only."""
    try:
        obstore.head(bucket, f"{prefix}/{sums.FILE}")
    except FileNotFoundError:
        return False
    return True


def keys_below(bucket: S3Store, prefix: str) -> set[str]:
    """The keys of all objects."""
    return {entry["path"] for page in obstore.list(bucket, prefix=prefix) for entry in page}


def from_registry(host: str, name: str, reference: str, target: Path, account: str = "") -> Path:
    """What `oras pull` does: the manifest, and each layer under its title. `account` is USER:PASSWORD."""
    target.mkdir(parents=True, exist_ok=True)
    for layer in json.loads(get(f"http://{host}/v2/{name}/manifests/{reference}", account))["layers"]:
        file = target / layer["annotations"][TITLE]
        file.write_bytes(get(f"http://{host}/v2/{name}/blobs/{layer['digest']}", account))
    return target


def tags(host: str, name: str) -> list[str]:
    """The tags of a repository; none where it is not there."""
    try:
        found: list[str] | None = json.loads(get(f"http://{host}/v2/{name}/tags/list"))["tags"]
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
        return []
    return found or []


def get(url: str, account: str = "") -> bytes:
    request = urllib.request.Request(url, headers={"Accept": MANIFEST})
    if account:
        request.add_header("Authorization", "Basic " + base64.b64encode(account.encode()).decode())
    with urllib.request.urlopen(request) as response:
        content: Any = response.read()
    return bytes(content)


def problem(folder: Path, digest: str | None = None) -> verify.Problem | None:
    """What `visionft-trainer verify` has against a copy."""
    return verify.verify(verify.FolderCopy(folder), digest).problem
