"""Where rows come from, as one address: what provenance names them by."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from visionft_api.spec import DataSource


def address(source: DataSource, commit: str | None) -> str:
    """`pvc://claim/path`, `s3://bucket/prefix`, `hf://datasets/owner/name@commit`, `configmap://name/key` or `https://…`."""
    if source.pvc is not None:
        return f"pvc://{source.pvc.claim_name}/{source.pvc.path}"
    if source.s3 is not None:
        return f"s3://{source.s3.bucket}/{source.s3.prefix.strip('/')}"
    if source.hub is not None:
        return f"hf://datasets/{source.hub.repo}" + (f"@{commit}" if commit else "")
    if source.config_map is not None:
        return f"configmap://{source.config_map.name}/{source.config_map.key}"
    assert source.http is not None  # a rule of the API: exactly one
    return public_url(source.http.url)


def public_url(url: str) -> str:
    """`url` without its query, which may hold a signature that opens a door."""
    return urlunsplit((*urlsplit(url)[:3], "", ""))
