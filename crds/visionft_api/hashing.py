"""The hashes that decide whether a change of the spec starts another run, and whether that run has to train."""

import hashlib
import json
from typing import Any

from pydantic import BaseModel

from visionft_api.spec import VisionFineTuneSpec

HASH_LENGTH = 16
"""Hexadecimal digits: 64 bits, far more than one resource's changes can collide in."""
DESTINATIONS = ("s3", "oci", "hub")
"""Of `spec.output`: where results are brought to once they are there. `pvc` is where the run works."""


def spec_hash(spec: VisionFineTuneSpec) -> str:
    """Hash over what the artifacts and the measured values depend on.

    That is model, dataset, adapter, training, evaluation and output, the number of GPUs and nodes (they change the
    batch), the trainer's image and environment, and `runPolicy.rerun`. Left out are gates (they are held against what
    was measured, without training anew), how many rows the report shows, tracking, how often checkpoints are saved,
    names of Secrets (a new token trains nothing new), memory, CPUs, labels, node selection, deadlines, TTL, drift and
    queue.

    Fields at their default are left out too, so that a later version can add a field without retraining everything.
    """
    return _hash(spec)


def work_hash(spec: VisionFineTuneSpec) -> str:
    """Hash over the same but for the destinations: what was made for one such spec is what another one asks for.

    A corrected bucket or repository is a new run, with a number and a history of its own. It trains nothing where the
    claim of `spec.output.pvc` still has what an earlier run of this hash has made; without a claim nothing is kept,
    so it trains anew. Rows and models that are others by now under the same name are not in it either: to train on
    them, `runPolicy.rerun` is set.
    """
    return _hash(spec, *DESTINATIONS)


def _hash(spec: VisionFineTuneSpec, *left_out_of_output: str) -> str:
    wanted: dict[str, Any] = {
        "model": _without_defaults(spec.model),
        "dataset": _without_defaults(spec.dataset),
        "adapter": _without_defaults(spec.adapter),
        "training": _without_defaults(spec.training, "checkpoints"),
        "evaluation": _without_defaults(spec.evaluation, "gates", "report_samples"),
        "output": _without_defaults(spec.output, *left_out_of_output),
        "gpus": spec.resources.gpus,
        "nodes": spec.resources.nodes,
        "image": spec.pod_template.image,
        "env": [_without_defaults(variable) for variable in spec.pod_template.env],
        "rerun": spec.run_policy.rerun,
    }
    wanted = {name: value for name, value in wanted.items() if value not in (None, {}, [])}
    text = json.dumps(wanted, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_LENGTH]


def _without_defaults(model: BaseModel, *left_out: str) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if name in ("secret_ref", *left_out) or value == field.get_default(call_default_factory=True):
            continue
        kept[field.alias or name] = _without_defaults(value) if isinstance(value, BaseModel) else value
    return kept
