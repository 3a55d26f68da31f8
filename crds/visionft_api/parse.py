"""Reading manifests on a workstation, with the words that the API server would use."""

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from visionft_api import API_VERSION, KIND
from visionft_api.base import ApiModel
from visionft_api.manifest_yaml import NotYamlError, load_yaml
from visionft_api.problems import NO_VALUE, ManifestError, Problem
from visionft_api.resource import VisionFineTune
from visionft_api.schema_errors import join_path, normalize, to_problem
from visionft_api.status import VisionFineTuneStatus

__all__ = ["ManifestError", "Problem", "parse_manifest", "parse_resource", "read_document", "read_text", "validate"]

M = TypeVar("M", bound=ApiModel)

MAX_MANIFEST_BYTES = 1_500_000
"""What etcd takes in one object; a longer file is no manifest."""


def parse_manifest(text: str, source: str = "manifest") -> VisionFineTune:
    """Read a VisionFineTune from YAML or JSON.

    Args:
        text: the manifest, one document.
        source: what errors call it, such as the file's name.

    Raises:
        ManifestError: with everything that is wrong.
    """
    return validate(VisionFineTune, read_document(text, source), source)


def parse_resource(obj: Mapping[str, Any]) -> VisionFineTune:
    """Read a VisionFineTune from what the API server gave.

    A status written by a newer version is read as far as it is known.

    Raises:
        ManifestError: with everything that is wrong.
    """
    return validate(VisionFineTune, dict(obj), "resource")


def read_text(path: Path) -> str:
    """The text of a manifest's file.

    Raises:
        ManifestError: there is no such file, it is too large, or it is not UTF-8.
    """
    try:
        if _may_wait(path):
            message = "is a named pipe, which is read only where somebody writes to it; give the manifest's file"
            raise ManifestError([Problem("", NO_VALUE, message)], str(path))
        with path.open("rb") as file:
            data = file.read(MAX_MANIFEST_BYTES + 1)
        if len(data) > MAX_MANIFEST_BYTES:
            message = f"has more than {MAX_MANIFEST_BYTES:,} bytes, which are too many for a manifest"
            raise ManifestError([Problem("", NO_VALUE, message)], str(path))
        return data.decode("utf-8-sig")
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        raise ManifestError([Problem("", NO_VALUE, message)], str(path)) from error
    except UnicodeDecodeError as error:
        message = f"byte {error.start} is not UTF-8; save the file as UTF-8"
        raise ManifestError([Problem("", NO_VALUE, message)], str(path)) from error


def _may_wait(path: Path) -> bool:
    """Whether to open `path` may take for ever; a pipe that a shell has opened, as `/dev/stdin` is, has its writer."""
    return stat.S_ISFIFO(path.stat().st_mode) and path.parts[:2] not in (("/", "dev"), ("/", "proc"))


def read_document(text: str, source: str) -> dict[str, Any]:
    """The one mapping that a manifest's text holds.

    Raises:
        ManifestError: not YAML, not one document, or not a mapping.
    """
    try:
        document = load_yaml(text)
    except NotYamlError as error:
        raise ManifestError([Problem("", NO_VALUE, str(error))], source) from error
    if not isinstance(document, dict):
        kind = {list: "a list", str: "a text", type(None): "nothing"}.get(type(document), "a single value")
        message = f"holds {kind}, not a manifest; it should start with apiVersion: {API_VERSION}"
        raise ManifestError([Problem("", NO_VALUE, message)], source)
    return document


def validate(model: type[M], document: dict[str, Any], source: str) -> M:
    """Turn a document into its model, rules included.

    Raises:
        ManifestError: with everything that is wrong.
    """
    if model is VisionFineTune:
        _check_kind(document, source)
    document = normalize(model, document)
    status = document.pop("status", None)
    try:
        parsed = model.model_validate(document, by_alias=True, by_name=False)
        if isinstance(parsed, VisionFineTune):
            parsed = parsed.model_copy(update={"status": _known_status(status)})
    except ValidationError as error:
        problems = [to_problem(model, detail) for detail in error.errors()]
        raise ManifestError(problems, source) from error
    if isinstance(parsed, VisionFineTune) and not (parsed.metadata.name or parsed.metadata.generate_name):
        raise ManifestError(
            [Problem("metadata.name", NO_VALUE, "Required value: name or generateName is required")], source
        )
    broken = list(_broken_rules(parsed, ""))
    if broken:
        raise ManifestError(broken, source)
    return parsed


def _known_status(status: Any) -> VisionFineTuneStatus:
    """As much of a status as this version knows: a word that a newer one wrote must not stop us."""
    known = dict(status) if isinstance(status, dict) else {}
    while True:
        try:
            return VisionFineTuneStatus.model_validate(known, extra="ignore", by_alias=True, by_name=False)
        except ValidationError as error:
            for detail in error.errors():
                known.pop(str(detail["loc"][0]), None)


def _check_kind(document: Mapping[str, Any], source: str) -> None:
    for field, wanted in (("apiVersion", API_VERSION), ("kind", KIND)):
        if document.get(field) != wanted:
            found = document.get(field, NO_VALUE)
            message = f"this is not a VisionFineTune manifest; write {field}: {wanted}"
            raise ManifestError([Problem(field, found, message)], source)


def _broken_rules(value: Any, path: str) -> Iterator[Problem]:
    """Problems with the rules of an object and all below it, outermost first."""
    if isinstance(value, ApiModel):
        for rule in value.rules:
            if not rule.holds(value):
                yield Problem(join_path(path, *rule.at.split(".")) if rule.at else path, NO_VALUE, rule.text(value))
        for name, field in type(value).model_fields.items():
            yield from _broken_rules(getattr(value, name), join_path(path, field.alias or name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, BaseModel):
                yield from _broken_rules(item, join_path(path, index))
