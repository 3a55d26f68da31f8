"""Turns pydantic's errors into the API server's words, so that a mistake reads the same on both sides."""

import json
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from visionft_api.fields import WHAT_FITS
from visionft_api.problems import NO_VALUE, Problem
from visionft_api.shown import shorten
from visionft_api.structural import structural_schema

_WANTED_TYPES = {
    "string_type": "string",
    "int_type": "integer",
    "int_or_word_type": "integer,string",
    "int_from_float": "integer",
    "float_type": "number",
    "bool_type": "boolean",
    "list_type": "array",
    "dict_type": "object",
    "model_type": "object",
}
_FOUND_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
_CLOSE = 0.7
"""Share of letters in common above which a name is taken for a misspelt one."""

Schema = dict[str, Any]


def join_path(path: str, *parts: str | int) -> str:
    """A field's path: names joined by dots, indexes in brackets."""
    for part in parts:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def to_problem(model: type[BaseModel], error: ErrorDetails) -> Problem:
    """The problem behind one of pydantic's errors."""
    location = [part for part in error["loc"] if part != "[key]"]
    field = join_path("", *location)
    context: dict[str, Any] = dict(error.get("ctx") or {})
    value = error["input"]
    match error["type"]:
        case "extra_forbidden":
            known = _schema_at(structural_schema(model), location[:-1]).get("properties", {})
            return Problem(field, NO_VALUE, f'unknown field "{shorten(field)}"{_meant(str(location[-1]), list(known))}')
        case "missing":
            description = _schema_at(structural_schema(model), location).get("description", "")
            return Problem(field, NO_VALUE, f"Required value: {description}" if description else "Required value")
        case "duplicate_item":
            return Problem(join_path(field, context["index"]), NO_VALUE, f"Duplicate value: {context['shown']}")
        case kind:
            schema = _schema_at(structural_schema(model), location)
            return Problem(field, value, _message(kind, context, value, schema) or error["msg"])


def normalize(model: type[BaseModel], document: dict[str, Any]) -> dict[str, Any]:
    """The document as the API server would see it before it validates.

    `null` for a field is as if it were not there; a float without a fraction is an integer to JSON.
    """
    normal = _normal(structural_schema(model), document)
    assert isinstance(normal, dict)
    return normal


def _normal(schema: Schema, value: Any) -> Any:
    if not schema:
        # Unknown, and not walked through: aliases may make it far larger than its text.
        return value
    if isinstance(value, dict):
        return {key: _normal(_below(schema, key), item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_normal(schema.get("items", {}), item) for item in value]
    wants_int = schema.get("type") == "integer" or "x-kubernetes-int-or-string" in schema
    if isinstance(value, float) and value.is_integer() and wants_int:
        return int(value)
    return value


def _schema_at(schema: Schema, location: list[Any]) -> Schema:
    for part in location:
        schema = _below(schema, part)
    return schema


def _below(schema: Schema, part: Any) -> Schema:
    """The schema of a child; empty where there is none."""
    if isinstance(part, int):
        below = schema.get("items", {})
    else:
        below = schema.get("properties", {}).get(part) or schema.get("additionalProperties", {})
    return below if isinstance(below, dict) else {}


def _message(kind: str, context: dict[str, Any], value: Any, schema: Schema) -> str:
    if kind in _WANTED_TYPES:
        return _type_message(_WANTED_TYPES[kind], value, schema)
    match kind:
        case "greater_than_equal":
            return f"should be greater than or equal to {context['ge']}"
        case "less_than_equal":
            return f"should be less than or equal to {context['le']}"
        case "string_pattern_mismatch":
            pattern = context["pattern"]
            return f"write {WHAT_FITS[pattern]}" if pattern in WHAT_FITS else f"should match '{pattern}'"
        case "string_too_long":
            return f"Too long: may not be more than {context['max_length']} bytes"
        case "string_too_short":
            return f"should be at least {context['min_length']} chars long"
        case "too_long":
            noun = "items" if isinstance(value, list) else "properties"
            return f"Too many: {len(value)}: must have at most {context['max_length']} {noun}"
        case "literal_error" if isinstance(value, str):
            written = shorten(json.dumps(value, ensure_ascii=False))
            return f"Unsupported value: {written}: supported values: {_allowed(schema)}"
        case "literal_error":
            return _type_message("string", value, schema)
        case _:
            return ""


def _type_message(wanted: str, value: Any, schema: Schema) -> str:
    text = f'must be of type {wanted}: "{_FOUND_TYPES.get(type(value), "null")}"'
    if wanted != "string" or not isinstance(value, int | float):
        return text
    if schema.get("pattern") in WHAT_FITS:
        return f"{text}; write {WHAT_FITS[schema['pattern']]}"
    return f"{text}; write one of {_allowed(schema)}" if "enum" in schema else f"{text}; put it in quotes"


def _allowed(schema: Schema) -> str:
    return ", ".join(json.dumps(option) for option in schema.get("enum", []))


def _meant(wrong: str, known: list[str]) -> str:
    """The field that was probably meant, or those that there are."""
    plain = {name.lower(): name for name in known}
    close = get_close_matches(wrong.replace("_", "").replace("-", "").lower(), list(plain), n=1, cutoff=_CLOSE)
    if close:
        return f'; did you mean "{plain[close[0]]}"?'
    return f"; known here: {', '.join(known)}" if known else ""
