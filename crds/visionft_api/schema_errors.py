"""Turns pydantic's errors into the API server's words, so that a mistake reads the same on both sides."""

import json
import types
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from visionft_api.fields import WHAT_FITS
from visionft_api.problems import NO_VALUE, Problem

_JSON_TYPES = {
    "string_type": "string",
    "int_type": "integer",
    "int_from_float": "integer",
    "int_parsing": "integer",
    "float_type": "number",
    "bool_type": "boolean",
    "bool_parsing": "boolean",
    "list_type": "array",
    "dict_type": "object",
    "model_type": "object",
    "model_attributes_type": "object",
    "dataclass_type": "object",
}


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
    kind = error["type"]
    if kind == "extra_forbidden":
        return Problem(field, NO_VALUE, f'unknown field "{field}"{_did_you_mean(model, location)}')
    if kind == "missing":
        return Problem(field, NO_VALUE, "Required value")
    if kind == "duplicate_item":
        return Problem(join_path(field, context["index"]), NO_VALUE, f"Duplicate value: {context['shown']}")
    return Problem(field, value, _message(kind, context, value) or error["msg"])


def _message(kind: str, context: dict[str, Any], value: Any) -> str:
    if kind in _JSON_TYPES:
        return _type_message(_JSON_TYPES[kind], value)
    match kind:
        case "greater_than_equal":
            return f"should be greater than or equal to {context['ge']}"
        case "less_than_equal":
            return f"should be less than or equal to {context['le']}"
        case "string_pattern_mismatch":
            hint = WHAT_FITS.get(context["pattern"])
            return f"should match '{context['pattern']}'" + (f": write {hint}" if hint else "")
        case "string_too_long":
            return f"Too long: may not be more than {context['max_length']} bytes"
        case "string_too_short":
            return f"should be at least {context['min_length']} chars long"
        case "too_long":
            noun = "items" if context.get("field_type") == "List" else "properties"
            return f"Too many: {context['actual_length']}: must have at most {context['max_length']} {noun}"
        case "literal_error" | "enum":
            allowed = str(context["expected"]).replace("'", '"').replace(" or ", ", ")
            return f"Unsupported value: {json.dumps(value)}: supported values: {allowed}"
        case _:
            return ""


def _type_message(wanted: str, value: Any) -> str:
    found = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
    text = f'must be of type {wanted}: "{found.get(type(value), "null")}"'
    if wanted == "string" and isinstance(value, int | float) and not isinstance(value, bool):
        text += f'; put it in quotes: "{value}"'
    return text


def _did_you_mean(model: type[BaseModel], location: list[Any]) -> str:
    """The field that was probably meant, when one is written almost the same."""
    parent: Any = model
    for part in location[:-1]:
        parent = _below(parent, part)
        if parent is None:
            return ""
    names = [field.alias or name for name, field in parent.model_fields.items()]
    wrong = str(location[-1])
    same = [name for name in names if name.lower() == wrong.replace("_", "").replace("-", "").lower()]
    close = same or [name for name in names if _distance_is_small(name, wrong)]
    return f'; did you mean "{close[0]}"?' if close else f"; known here: {', '.join(names)}"


def _distance_is_small(name: str, wrong: str) -> bool:
    from difflib import SequenceMatcher

    return SequenceMatcher(None, name.lower(), wrong.lower()).ratio() > 0.75


def _below(parent: Any, part: Any) -> Any:
    """The model of a child, or None where there is no model."""
    if isinstance(part, int):
        return parent
    for name, field in parent.model_fields.items():
        if part in (name, field.alias):
            return model_in(field.annotation)
    return None


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that a field's type holds: itself, in a list, or beside None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, types.UnionType, Annotated, list):
        return next((found for found in map(model_in, get_args(annotation)) if found is not None), None)
    return None


def normalize(model: type[BaseModel], data: dict[str, Any]) -> dict[str, Any]:
    """The document as the API server would see it before it validates.

    `null` for a field is as if it were not there; a float without a fraction is an integer to JSON.
    """
    result: dict[str, Any] = {}
    by_alias = {field.alias or name: field for name, field in model.model_fields.items()}
    for key, value in data.items():
        field = by_alias.get(key)
        if field is None:
            result[key] = value
            continue
        if value is None:
            continue
        child = model_in(field.annotation)
        if child is not None and isinstance(value, dict):
            value = normalize(child, value)
        elif child is not None and isinstance(value, list):
            value = [normalize(child, item) if isinstance(item, dict) else item for item in value]
        elif isinstance(value, float) and value.is_integer() and _takes_int(field.annotation):
            value = int(value)
        result[key] = value
    return result


def _takes_int(annotation: Any) -> bool:
    return annotation is int or int in get_args(annotation)
