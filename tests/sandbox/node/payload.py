"""The files of configMap, secret, downwardAPI and projected volumes, computed without touching a disk."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from sandbox.node.environment import ConfigError, EnvContext, ObjectRef, object_data
from sandbox.node.fields import FieldError, field_value, resource_value

DEFAULT_MODE = 0o644
PROJECTIONS = {"configMap": "ConfigMap", "secret": "Secret"}


class PayloadError(Exception):
    """The volume cannot be filled yet: a source or a key is missing. Retried."""


@dataclass(frozen=True)
class VolumeFile:
    content: bytes
    mode: int


@dataclass(frozen=True)
class TokenSpec:
    """A service-account token that a projected volume asks for."""

    audience: str
    seconds: int


Payload = dict[str, VolumeFile]
"""File contents by path relative to the volume."""


def is_payload_volume(volume: Mapping[str, Any]) -> bool:
    """Whether the volume's content comes from the API server."""
    return any(kind in volume for kind in ("configMap", "secret", "downwardAPI", "projected"))


def volume_references(volume: Mapping[str, Any]) -> set[ObjectRef]:
    """The ConfigMaps and Secrets that fill the volume."""
    return {
        ObjectRef(PROJECTIONS[kind], _object_name(source))
        for kind, source, _ in _projections(volume)
        if kind in PROJECTIONS
    }


def volume_tokens(volume: Mapping[str, Any]) -> set[TokenSpec]:
    """The tokens that the volume holds."""
    return {_token_spec(source) for kind, source, _ in _projections(volume) if kind == "serviceAccountToken"}


def build_payload(volume: Mapping[str, Any], context: EnvContext, tokens: Mapping[TokenSpec, str]) -> Payload:
    """All files of the volume.

    Raises:
        PayloadError: a source or key that is not optional is missing.
    """
    files: Payload = {}
    for kind, source, mode in _projections(volume):
        if kind in PROJECTIONS:
            files.update(_object_files(ObjectRef(PROJECTIONS[kind], _object_name(source)), source, mode, context))
        elif kind == "downwardAPI":
            files.update(_downward_files(source, mode, context))
        else:
            files[_checked(source["path"])] = VolumeFile(tokens[_token_spec(source)].encode(), mode)
    return files


def _projections(volume: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], int]]:
    """(kind, source, default mode) of each source of the volume."""
    if projected := volume.get("projected"):
        for source in projected.get("sources") or []:
            for kind, body in source.items():
                if kind not in (*PROJECTIONS, "downwardAPI", "serviceAccountToken"):
                    raise PayloadError(f"the sandbox node does not provide projected source {kind}")
                yield kind, body, projected.get("defaultMode", DEFAULT_MODE)
        return
    for kind in ("configMap", "secret", "downwardAPI"):
        if kind in volume:
            yield kind, volume[kind], volume[kind].get("defaultMode", DEFAULT_MODE)


def _object_name(source: Mapping[str, Any]) -> str:
    return str(source.get("name") or source.get("secretName"))


def _token_spec(source: Mapping[str, Any]) -> TokenSpec:
    return TokenSpec(source.get("audience", ""), int(source.get("expirationSeconds", 3600)))


def _object_files(ref: ObjectRef, source: Mapping[str, Any], mode: int, context: EnvContext) -> Payload:
    optional = bool(source.get("optional"))
    try:
        data = object_data(ref, context.objects, optional)
    except ConfigError as error:
        raise PayloadError(str(error)) from error
    items = source.get("items")
    if items is None:
        return {key: VolumeFile(content, mode) for key, content in data.items()}
    files: Payload = {}
    for item in items:
        if item["key"] in data:
            files[_checked(item["path"])] = VolumeFile(data[item["key"]], item.get("mode", mode))
        elif not optional:
            raise PayloadError(f"references non-existent {ref.kind.lower()} key: {item['key']}")
    return files


def _downward_files(source: Mapping[str, Any], mode: int, context: EnvContext) -> Payload:
    files: Payload = {}
    for item in source.get("items") or []:
        try:
            if field := item.get("fieldRef"):
                text = field_value(context.pod, field["fieldPath"], context.node_ip)
            else:
                text = resource_value(context.pod, None, item["resourceFieldRef"], context.allocatable)
        except FieldError as error:
            raise PayloadError(str(error)) from error
        files[_checked(item["path"])] = VolumeFile(text.encode(), item.get("mode", mode))
    return files


def _checked(path: str) -> str:
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise PayloadError(f"path {path!r} of the volume must be relative and without '..'")
    return path
