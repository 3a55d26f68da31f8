"""The committed CRD is what the models make, and is fit for people and for the API server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from visionft_api.__main__ import CRD_FILE, main
from visionft_api.crd import build_crd, crd_text
from visionft_api.manifest_yaml import dump_yaml, load_yaml

SCHEMA = build_crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def fields(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field below a schema, by path."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from fields(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from fields(schema[key], f"{path}[]")


FIELDS = dict(fields(SCHEMA))


def type_of(schema: dict[str, Any]) -> str:
    """Its type; a field that takes a number or a word has none of its own."""
    return "integer or string" if schema.get("x-kubernetes-int-or-string") else schema["type"]


def test_the_committed_file_is_what_the_models_make() -> None:
    assert CRD_FILE.read_text(encoding="utf-8") == crd_text(), "run `python -m visionft_api` and commit the result"


def test_check_tells_when_the_file_is_old(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "crd.yaml"
    assert main(["--check", str(path)]) == 1
    assert "run `python -m visionft_api`" in capsys.readouterr().err
    assert main([str(path)]) == 0
    assert main(["--check", str(path)]) == 0
    path.write_text(path.read_text(encoding="utf-8").replace("maximum: 512", "maximum: 513"), encoding="utf-8")
    assert main(["--check", str(path)]) == 1


def test_every_field_says_what_it_is() -> None:
    silent = [path for path, schema in FIELDS.items() if not path.endswith("[]") and "description" not in schema]
    assert silent == [".metadata", ".metadata.name"]


def test_everything_that_can_grow_is_bounded() -> None:
    """Without bounds the API server takes the cost of a CEL rule for too high, and a user may fill etcd."""
    bound = {"string": "maxLength", "integer or string": "maxLength", "array": "maxItems"}
    unbounded = [
        path
        for path, schema in FIELDS.items()
        if (bound.get(type_of(schema), "type") not in schema and "enum" not in schema and "format" not in schema)
        or ("additionalProperties" in schema and "maxProperties" not in schema)
    ]
    assert unbounded == [".apiVersion", ".kind", ".metadata.name"]


def test_nothing_is_kept_unseen() -> None:
    assert "preserve-unknown" not in crd_text()
    assert "additionalProperties: true" not in crd_text()


def test_there_are_no_floats() -> None:
    kinds = {type_of(schema) for schema in FIELDS.values()}
    assert kinds == {"object", "array", "string", "integer", "integer or string", "boolean"}


def test_the_status_has_no_defaults() -> None:
    """What the operator does not say is unknown."""
    assert [path for path, schema in FIELDS.items() if path.startswith(".status") and "default" in schema] == []


def test_every_list_says_how_it_merges() -> None:
    lists = {
        path: schema.get("x-kubernetes-list-type") for path, schema in FIELDS.items() if type_of(schema) == "array"
    }
    assert None not in lists.values()
    assert lists[".status.conditions"] == "map"
    assert FIELDS[".status.conditions"]["x-kubernetes-list-map-keys"] == ["type"]


def test_texts_that_look_like_numbers_are_quoted() -> None:
    """kubectl takes a bare 2e-4 for a number; PyYAML would write it bare."""
    value = {"learningRate": "2e-4", "rank": 16, "epochs": "1", "suspend": False, "rerun": "yes", "path": "a/b"}
    assert load_yaml(dump_yaml(value)) == value
    assert "learningRate: '2e-4'" in dump_yaml(value)
