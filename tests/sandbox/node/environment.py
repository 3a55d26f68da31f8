"""A container's environment and command line: where variables come from, and $(NAME) in them."""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.node.fields import FieldError, field_value, resource_value
from sandbox.node.paths import PathMap

_REFERENCE = re.compile(r"\$\$|\$\(([^)]*)\)")


class ConfigError(Exception):
    """The container cannot be configured yet: kubelet's CreateContainerConfigError. Retried."""


@dataclass(frozen=True, order=True)
class ObjectRef:
    """A ConfigMap or a Secret in the pod's namespace."""

    kind: str
    name: str

    @property
    def resource(self) -> str:
        return "configmaps" if self.kind == "ConfigMap" else "secrets"


Objects = Mapping[ObjectRef, Mapping[str, Any] | None]
"""Fetched ConfigMaps and Secrets; None for one that does not exist."""


@dataclass(frozen=True)
class EnvContext:
    """Everything that variables may be taken from."""

    pod: Mapping[str, Any]
    objects: Objects
    allocatable: Mapping[str, str]
    node_ip: str


def references(container: Mapping[str, Any]) -> set[ObjectRef]:
    """The ConfigMaps and Secrets that the container's variables need."""
    found = {ref for entry in container.get("envFrom", []) for ref, _ in _sources(entry)}
    for variable in container.get("env", []):
        source = variable.get("valueFrom", {})
        if key := source.get("configMapKeyRef"):
            found.add(ObjectRef("ConfigMap", key["name"]))
        if key := source.get("secretKeyRef"):
            found.add(ObjectRef("Secret", key["name"]))
    return found


def resolve_env(container: Mapping[str, Any], context: EnvContext, paths: PathMap) -> dict[str, str]:
    """The container's variables, in order, with $(NAME) expanded and paths rewritten.

    Raises:
        ConfigError: a ConfigMap, Secret, key or field that is not optional is missing.
    """
    env: dict[str, str] = {}
    for entry in container.get("envFrom", []):
        for ref, optional in _sources(entry):
            data = object_data(ref, context.objects, optional)
            prefix = entry.get("prefix", "")
            env.update({prefix + key: paths.rewrite(value.decode()) for key, value in sorted(data.items())})
    for variable in container.get("env", []):
        value = _value(variable, container["name"], context, env)
        if value is not None:
            env[variable["name"]] = paths.rewrite(value)
    return env


def expand(text: str, env: Mapping[str, str]) -> str:
    """Replace $(NAME) by its value; an unknown name stays as it is, and $$ is one dollar sign."""

    def replace(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return env.get(match[1], match[0])

    return _REFERENCE.sub(replace, text)


def command_line(
    container: Mapping[str, Any], prefix: Sequence[str], env: Mapping[str, str], paths: PathMap
) -> list[str]:
    """The argument vector: the image's own beginning, then command and args, expanded and rewritten."""
    given = [*container.get("command", []), *container.get("args", [])]
    return [*prefix, *paths.rewrite_all([expand(text, env) for text in given])]


def object_data(ref: ObjectRef, objects: Objects, optional: bool) -> dict[str, bytes]:
    """All keys of a ConfigMap or Secret; empty when an optional one does not exist.

    Raises:
        ConfigError: it does not exist.
    """
    found = objects.get(ref)
    if found is None:
        if optional:
            return {}
        raise ConfigError(f'{ref.kind.lower()} "{ref.name}" not found')
    if ref.kind == "Secret":
        return {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}
    text = {key: value.encode() for key, value in (found.get("data") or {}).items()}
    binary = {key: base64.b64decode(value) for key, value in (found.get("binaryData") or {}).items()}
    return text | binary


def _sources(entry: Mapping[str, Any]) -> Iterator[tuple[ObjectRef, bool]]:
    for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
        if source := entry.get(field):
            yield ObjectRef(kind, source["name"]), bool(source.get("optional"))


def _value(variable: Mapping[str, Any], container: str, context: EnvContext, env: Mapping[str, str]) -> str | None:
    source = variable.get("valueFrom")
    if source is None:
        return expand(variable.get("value", ""), env)
    try:
        if field := source.get("fieldRef"):
            return field_value(context.pod, field["fieldPath"], context.node_ip)
        if resource := source.get("resourceFieldRef"):
            return resource_value(context.pod, container, resource, context.allocatable)
    except FieldError as error:
        raise ConfigError(str(error)) from error
    for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
        if key := source.get(field):
            return _key_value(ObjectRef(kind, key["name"]), key, context)
    raise ConfigError(f"variable {variable['name']}: this node does not know its valueFrom")


def _key_value(ref: ObjectRef, key: Mapping[str, Any], context: EnvContext) -> str | None:
    optional = bool(key.get("optional"))
    data = object_data(ref, context.objects, optional)
    if key["key"] in data:
        return data[key["key"]].decode()
    if optional:
        return None
    namespace = context.pod["metadata"]["namespace"]
    raise ConfigError(f"couldn't find key {key['key']} in {ref.kind} {namespace}/{ref.name}")
