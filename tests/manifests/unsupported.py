"""For each field that this version does not honour, a change of a right manifest that asks for it."""

from typing import Any

CHANGES: dict[str, dict[str, Any]] = {
    "spec.model.uri": {"model": {"uri": "s3://models/qwen"}},
    "spec.drift": {"drift": {"schedule": "@daily"}},
    "spec.resources.nodes": {"resources": {"nodes": 2}},
    "spec.queue": {"queue": {"name": "team-a"}},
    "spec.profileRef": {"profileRef": {"name": "large"}},
}
"""By the field's name in `visionft_api.support.NOT_SUPPORTED`: sections of the spec, merged into a right one."""

_REPLACES = {"model": {"name": "uri"}}
"""Of a section, the field that must go where another one comes."""


def manifest_asking_for(field: str) -> dict[str, Any]:
    """A manifest that is right but asks for this field."""
    spec: dict[str, Any] = {
        "model": {"uri": "pvc://models/qwen"},
        "dataset": {
            "train": {"pvc": {"claimName": "data", "path": "train.jsonl"}},
            "validation": {"pvc": {"claimName": "data", "path": "validation.jsonl"}},
        },
        "output": {"pvc": {"claimName": "results"}},
    }
    for section, change in CHANGES[field].items():
        gone = {_REPLACES.get(section, {}).get(name) for name in change}
        kept = {name: value for name, value in spec.get(section, {}).items() if name not in gone}
        spec[section] = {**kept, **change}
    return {
        "apiVersion": "visionft.dev/v1alpha1",
        "kind": "VisionFineTune",
        "metadata": {"name": "later"},
        "spec": spec,
    }
