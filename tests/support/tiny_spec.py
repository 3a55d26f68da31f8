"""Manifests for the tests' tiny models and data sets, in the form that users write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from visionft_api.run_file import RunFile, load_run_file
from visionft_api.spec import VisionFineTuneSpec

MODEL_CLAIM, DATA_CLAIM, OUTPUT_CLAIM = "models", "data", "results"


def tiny_manifest(**sections: dict[str, Any]) -> dict[str, Any]:
    """A VisionFineTune that trains six steps on CPU; each keyword is merged into the section of that name."""
    spec: dict[str, Any] = {
        "model": {"uri": f"pvc://{MODEL_CLAIM}/tiny", "quantization": "nf4"},
        "dataset": {
            "train": {"pvc": {"claimName": DATA_CLAIM, "path": "train.jsonl"}},
            "validation": {"pvc": {"claimName": DATA_CLAIM, "path": "validation.jsonl"}},
        },
        "adapter": {"rank": 4},
        "training": {"maxSteps": 6, "batchSize": 4, "learningRate": "3e-3", "checkpoints": {"every": 2}},
        "evaluation": {"maxNewTokens": 4, "visionReliance": False},
        "output": {"pvc": {"claimName": OUTPUT_CLAIM}},
        "resources": {"gpus": 0},
    }
    for name, section in sections.items():
        spec[name] = {key: value for key, value in (spec.get(name, {}) | section).items() if value is not None}
    return {
        "apiVersion": "visionft.dev/v1alpha1",
        "kind": "VisionFineTune",
        "metadata": {"name": "tiny", "namespace": "team"},
        "spec": spec,
    }


def write_manifest(path: Path, **sections: dict[str, Any]) -> Path:
    """Write `tiny_manifest` to `path`; JSON is YAML too."""
    path.write_text(json.dumps(tiny_manifest(**sections)), encoding="utf-8")
    return path


def tiny_run(tmp_path: Path, *, uid: str = "", run: int = 1, name: str = "tiny", **sections: dict[str, Any]) -> RunFile:
    """The run file that the operator would write for `tiny_manifest`."""
    run_file = load_run_file(write_manifest(tmp_path / "manifest.json", **sections))
    metadata = run_file.metadata.model_copy(update={"uid": uid, "name": name})
    return run_file.model_copy(update={"metadata": metadata, "run": run})


def tiny_spec(tmp_path: Path, **sections: dict[str, Any]) -> VisionFineTuneSpec:
    """The spec of `tiny_manifest`, with defaults."""
    return tiny_run(tmp_path, **sections).spec
