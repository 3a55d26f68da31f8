"""Structural schemas: the models in the form of JSON schema that Kubernetes takes."""

import json
from functools import cache
from typing import Any

from pydantic import BaseModel

from visionft_api.fields import WHAT_FITS

# Of JSON schema, what a structural schema may hold and we use.
_KEPT = (
    "enum",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "maxItems",
    "maxProperties",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-validations",
)


@cache
def structural_schema(model: type[BaseModel]) -> dict[str, Any]:
    """A model's schema in the form that Kubernetes takes: no references, no unions, no null. Not to be changed."""
    schema = model.model_json_schema(by_alias=True)
    return _structural(schema, schema.get("$defs", {}))


def _structural(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    outer = schema
    schema = _flatten(schema, definitions)
    result: dict[str, Any] = {"type": schema["type"]} if "type" in schema else {}
    if description := outer.get("description") or schema.get("description"):
        result["description"] = " ".join(description.split()) + _default_text(schema)
    if "format" in schema:
        result["format"] = schema["format"]
    if schema.get("default") is not None:
        result["default"] = schema["default"]
    result |= {key: schema[key] for key in _KEPT if key in schema}
    if "const" in schema:
        result["enum"] = [schema["const"]]
    if (pattern := schema.get("pattern")) in WHAT_FITS:
        # Beside the pattern's own message, which shows only the pattern.
        message = f"write {WHAT_FITS[pattern]}"
        result["x-kubernetes-validations"] = [{"message": message, "rule": f"self.matches(r'{pattern}')"}]
    if "items" in schema:
        result["items"] = _structural(schema["items"], definitions)
    if schema.get("required"):
        result["required"] = schema["required"]
    if "properties" in schema:
        result["properties"] = {name: _structural(child, definitions) for name, child in schema["properties"].items()}
    elif isinstance(schema.get("additionalProperties"), dict):
        result["additionalProperties"] = _structural(schema["additionalProperties"], definitions)
    return result


def _default_text(schema: dict[str, Any]) -> str:
    """The default of a scalar as a sentence: `kubectl explain` shows descriptions, but no defaults."""
    default = schema.get("default")
    if default in (None, "") or isinstance(default, dict | list):
        return ""
    return f" Default: {default if isinstance(default, str) else json.dumps(default)}."


def _flatten(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema with its reference and its "or null" resolved; what is written beside them wins."""
    if "anyOf" in schema:
        inner = next(option for option in schema["anyOf"] if option.get("type") != "null")
        beside = {key: value for key, value in schema.items() if key != "anyOf"}
        return _flatten({**inner, **beside}, definitions)
    if "$ref" in schema:
        inner = definitions[schema["$ref"].rpartition("/")[2]]
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return _flatten({**inner, **beside}, definitions)
    return schema
