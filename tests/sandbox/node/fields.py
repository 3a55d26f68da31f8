"""What the downward API gives: fieldRef and resourceFieldRef, for variables and for files."""

import re
from collections.abc import Mapping
from typing import Any

from sandbox.node.quantity import in_units_of

_SUBSCRIPT = re.compile(r"^metadata\.(labels|annotations)\['(.+)'\]$")


class FieldError(Exception):
    """A field path or a resource that the downward API does not offer."""


def field_value(pod: Mapping[str, Any], path: str, node_ip: str) -> str:
    """The value of a fieldRef.

    Raises:
        FieldError: the path is not one that the downward API offers.
    """
    metadata, spec = pod["metadata"], pod["spec"]
    if match := _SUBSCRIPT.match(path):
        return str(metadata.get(match[1], {}).get(match[2], ""))
    values = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "metadata.labels": _lines(metadata.get("labels", {})),
        "metadata.annotations": _lines(metadata.get("annotations", {})),
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", "default"),
        "status.podIP": node_ip,
        "status.podIPs": node_ip,
        "status.hostIP": node_ip,
        "status.hostIPs": node_ip,
    }
    if path not in values:
        raise FieldError(f"unsupported fieldPath: {path}")
    return str(values[path])


def resource_value(
    pod: Mapping[str, Any], container: str | None, ref: Mapping[str, Any], allocatable: Mapping[str, str]
) -> str:
    """The value of a resourceFieldRef; a limit that is not set is what the node can give.

    Raises:
        FieldError: the container or the resource is unknown.
    """
    name = ref.get("containerName") or container
    spec = next(
        (c for c in pod["spec"]["containers"] + pod["spec"].get("initContainers", []) if c["name"] == name), None
    )
    if spec is None:
        raise FieldError(f"container {name} not found")
    section, _, resource = ref["resource"].partition(".")
    if section not in ("limits", "requests") or not resource:
        raise FieldError(f"unsupported container resource: {ref['resource']}")
    unset = allocatable.get(resource, "0") if section == "limits" else "0"
    value = spec.get("resources", {}).get(section, {}).get(resource, unset)
    return in_units_of(str(value), str(ref.get("divisor") or "1"))


def _lines(pairs: Mapping[str, str]) -> str:
    """Labels or annotations in the downward API's file form: key="value", one a line, sorted."""
    return "\n".join(f"{key}={_quote(value)}" for key, value in sorted(pairs.items()))


def _quote(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'
