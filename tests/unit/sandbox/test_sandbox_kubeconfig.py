"""`--kubeconfig-out` never costs a user the kubeconfig of another cluster."""

from pathlib import Path

import pytest
import yaml
from sandbox.kubeconfig import Export, NotOursError, with_token

OTHER = yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "clusters": [{"name": "production", "cluster": {}}]})


def sandbox_file(folder: Path, token: str = "t") -> Path:
    return with_token(folder / "source", "https://127.0.0.1:6443", folder / "ca.crt", token)


def test_written_for_the_user_alone_and_removed(tmp_path: Path) -> None:
    export = Export(tmp_path / "new" / "kubeconfig")
    export.write(sandbox_file(tmp_path))
    assert export.path.stat().st_mode & 0o777 == 0o600
    assert export.path.read_text() == (tmp_path / "source").read_text()
    export.remove()
    assert not export.path.exists()


@pytest.mark.parametrize("content", [OTHER, "not: [yaml", "[]", "clusters: null"])
def test_another_file_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config"
    path.write_text(content)
    with pytest.raises(NotOursError, match="choose another path"):
        Export(path)
    assert path.read_text() == content


def test_an_empty_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "made-by-mktemp"
    path.touch()
    Export(path).write(sandbox_file(tmp_path))
    assert path.read_text()


def test_what_an_earlier_sandbox_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    Export(path).write(sandbox_file(tmp_path, "old"))
    Export(path).write(sandbox_file(tmp_path, "new"))
    assert yaml.safe_load(path.read_text())["users"][0]["user"] == {"token": "new"}


def test_a_file_that_took_its_place_stays(tmp_path: Path) -> None:
    export = Export(tmp_path / "kubeconfig")
    export.write(sandbox_file(tmp_path))
    export.path.write_text(OTHER)
    export.remove()
    assert export.path.read_text() == OTHER
