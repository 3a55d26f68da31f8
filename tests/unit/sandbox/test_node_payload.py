"""Files of volumes that come from the API server, and how they change on disk."""

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sandbox.node.atomic_dir import write_payload
from sandbox.node.environment import EnvContext, ObjectRef
from sandbox.node.payload import PayloadError, TokenSpec, VolumeFile, build_payload, volume_references, volume_tokens

POD: dict[str, Any] = {
    "metadata": {"name": "p", "namespace": "ns", "uid": "u", "labels": {"b": 'say "hi"', "a": "1"}},
    "spec": {"containers": [{"name": "c", "resources": {"limits": {"memory": "2Gi"}}}]},
}
CONFIG = ObjectRef("ConfigMap", "run")
SECRET = ObjectRef("Secret", "hub")
CONTEXT = EnvContext(
    POD,
    {
        CONFIG: {"data": {"run.json": "{}"}, "binaryData": {"bin": base64.b64encode(b"\xff").decode()}},
        SECRET: {"data": {"key": base64.b64encode(b"s").decode()}},
    },
    {},
    "127.0.0.1",
)
TOKEN = TokenSpec("visionft-reports", 3600)


def payload(volume: dict[str, Any]) -> dict[str, VolumeFile]:
    return build_payload({"name": "v", **volume}, CONTEXT, {TOKEN: "jwt"})


def test_every_key_of_a_config_map_is_a_file() -> None:
    assert payload({"configMap": {"name": "run", "defaultMode": 0o440}}) == {
        "run.json": VolumeFile(b"{}", 0o440),
        "bin": VolumeFile(b"\xff", 0o440),
    }


def test_items_choose_keys_paths_and_modes() -> None:
    items = [{"key": "key", "path": "deep/token", "mode": 0o400}]
    assert payload({"secret": {"secretName": "hub", "items": items}}) == {"deep/token": VolumeFile(b"s", 0o400)}


def test_downward_api_files() -> None:
    items = [
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
        {"path": "memory", "resourceFieldRef": {"containerName": "c", "resource": "limits.memory", "divisor": "1Mi"}},
    ]
    files = payload({"downwardAPI": {"items": items}})
    assert files["labels"].content == b'a="1"\nb="say \\"hi\\""'
    assert files["memory"].content == b"2048"


def test_projected_volume_joins_its_sources() -> None:
    token = {"audience": "visionft-reports", "expirationSeconds": 3600, "path": "token"}
    volume = {
        "projected": {
            "defaultMode": 0o600,
            "sources": [
                {"serviceAccountToken": token},
                {"configMap": {"name": "run", "items": [{"key": "run.json", "path": "run.json"}]}},
                {"secret": {"name": "gone", "optional": True}},
            ],
        }
    }
    assert volume_tokens(volume) == {TOKEN}
    assert volume_references(volume) == {CONFIG, ObjectRef("Secret", "gone")}
    assert payload(volume) == {"token": VolumeFile(b"jwt", 0o600), "run.json": VolumeFile(b"{}", 0o600)}


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        ({"configMap": {"name": "gone"}}, 'configmap "gone" not found'),
        (
            {"configMap": {"name": "run", "items": [{"key": "k", "path": "k"}]}},
            "references non-existent configmap key: k",
        ),
        ({"secret": {"secretName": "hub", "items": [{"key": "key", "path": "../k"}]}}, "must be relative"),
        ({"projected": {"sources": [{"clusterTrustBundle": {}}]}}, "clusterTrustBundle"),
    ],
    ids=["object", "key", "path", "source"],
)
def test_what_is_missing_is_named(volume: dict[str, Any], message: str) -> None:
    with pytest.raises(PayloadError, match=message):
        payload(volume)


def write(folder: Path, **files: str) -> None:
    write_payload(folder, {name: VolumeFile(text.encode(), 0o640) for name, text in files.items()}, datetime.now(UTC))


def test_folder_holds_exactly_the_last_payload(tmp_path: Path) -> None:
    write(tmp_path, a="1", b="2")
    write(tmp_path, a="3", c="4")
    visible = {entry.name: entry.read_text() for entry in tmp_path.iterdir() if not entry.name.startswith("..")}
    assert visible == {"a": "3", "c": "4"}
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640
    assert len([entry for entry in tmp_path.iterdir() if entry.is_dir() and not entry.is_symlink()]) == 1


def test_files_change_together(tmp_path: Path) -> None:
    """A reader that resolved ..data keeps reading one version."""
    write(tmp_path, a="1", b="1")
    before = (tmp_path / "a").readlink()
    write(tmp_path, a="2", b="2")
    assert (tmp_path / "a").readlink() == before == Path("..data/a")
    assert ((tmp_path / "a").read_text(), (tmp_path / "b").read_text()) == ("2", "2")
