"""The CustomResourceDefinition, made from the models."""

import json
from typing import Any

from pydantic import BaseModel

from visionft_api import CATEGORY, GROUP, KIND, PLURAL, SHORT_NAME, SINGULAR, VERSION
from visionft_api.fields import WHAT_FITS
from visionft_api.manifest_yaml import dump_yaml
from visionft_api.resource import VisionFineTune
from visionft_api.spec import VisionFineTuneSpec
from visionft_api.status import VisionFineTuneStatus

CRD_NAME = f"{PLURAL}.{GROUP}"
_HEADER = "# Made by `python -m visionft_api` from the models in crds/visionft_api. Change those, not this.\n"

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
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-validations",
)

COLUMNS: tuple[dict[str, Any], ...] = (
    {"name": "Phase", "type": "string", "jsonPath": ".status.phase", "description": "State of the current run."},
    {"name": "Progress", "type": "string", "jsonPath": ".status.progress.display", "description": "Share of it done."},
    {"name": "Loss", "type": "string", "jsonPath": ".status.progress.loss", "description": "Latest training loss."},
    {
        "name": "Verdict",
        "type": "string",
        "jsonPath": ".status.evaluation.verdict",
        "description": "What the gates say.",
    },
    {
        "name": "Drift",
        "type": "string",
        "jsonPath": ".status.drift.verdict",
        "description": "What measuring again says.",
    },
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp", "description": "Age of the resource."},
    {
        "name": "Model",
        "type": "string",
        "priority": 1,
        "jsonPath": ".spec.model['name','uri']",
        "description": "Model that is tuned.",
    },
    {
        "name": "Queue",
        "type": "string",
        "priority": 1,
        "jsonPath": ".spec.queue.name",
        "description": "Queue it waits in.",
    },
    {
        "name": "ETA",
        "type": "string",
        "priority": 1,
        "jsonPath": ".status.progress.eta",
        "description": "Time to the end, estimated.",
    },
    {"name": "Run", "type": "integer", "priority": 1, "jsonPath": ".status.run", "description": "Number of the run."},
)


def build_crd() -> dict[str, Any]:
    """The CustomResourceDefinition as JSON."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": CRD_NAME},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": SINGULAR,
                "shortNames": [SHORT_NAME],
                "categories": [CATEGORY],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [dict(column) for column in COLUMNS],
                    "schema": {"openAPIV3Schema": _root_schema()},
                }
            ],
        },
    }


def crd_text() -> str:
    """The CustomResourceDefinition as YAML, as it is committed."""
    return _HEADER + dump_yaml(build_crd())


def _root_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "description": (VisionFineTune.__doc__ or "").strip(),
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": "Version of this form: visionft.dev/v1alpha1."},
            "kind": {"type": "string", "description": "VisionFineTune."},
            # The name is spelt out so that rules can point at it.
            "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
            "spec": {**structural_schema(VisionFineTuneSpec), "description": "What is wanted."},
            "status": {**_without_help(structural_schema(VisionFineTuneStatus)), "description": "What is known."},
        },
        "x-kubernetes-validations": [rule.validation() for rule in VisionFineTune.rules],
    }


def structural_schema(model: type[BaseModel]) -> dict[str, Any]:
    """A model's schema in the form that Kubernetes takes: no references, no unions, no null."""
    schema = model.model_json_schema(by_alias=True)
    return _structural(schema, schema.get("$defs", {}))


def _structural(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    outer = schema
    schema = _flatten(schema, definitions)
    result: dict[str, Any] = {"type": schema["type"]}
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


def _without_help(schema: Any) -> Any:
    """The schema without defaults (what a status leaves out is unknown) and hints (no person writes one)."""
    if isinstance(schema, list):
        return [_without_help(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _without_help(value) for key, value in schema.items() if key not in ("default", "x-kubernetes-validations")
    }
