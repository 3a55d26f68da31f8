"""The CustomResourceDefinition, made from the models."""

from typing import Any

from visionft_api import CATEGORY, GROUP, KIND, PLURAL, SHORT_NAME, SINGULAR, VERSION
from visionft_api.manifest_yaml import dump_yaml
from visionft_api.resource import VisionFineTune
from visionft_api.spec import VisionFineTuneSpec
from visionft_api.status import VisionFineTuneStatus
from visionft_api.structural import structural_schema

CRD_NAME = f"{PLURAL}.{GROUP}"
_HEADER = "# Made by `python -m visionft_api` from the models in crds/visionft_api. Change those, not this.\n"


def _column(name: str, path: str, description: str, kind: str = "string", wide: bool = False) -> dict[str, Any]:
    """A column of `kubectl get`; a wide one shows with -o wide."""
    column = {"name": name, "type": kind, "jsonPath": path, "description": description}
    return {**column, "priority": 1} if wide else column


_COLUMNS = [
    _column("Phase", ".status.phase", "State of the current run."),
    _column("Progress", ".status.progress.display", "Share of the run that is done."),
    _column("Loss", ".status.progress.loss", "Latest training loss."),
    _column("Verdict", ".status.evaluation.verdict", "What the gates say."),
    _column("Drift", ".status.drift.verdict", "What measuring again says."),
    _column("Age", ".metadata.creationTimestamp", "Age of the resource.", kind="date"),
    _column("Model", ".spec.model['name','uri']", "Model that is tuned.", wide=True),
    _column("Queue", ".spec.queue.name", "Queue that the run waits in.", wide=True),
    _column("Conclusion", ".status.evaluation.conclusion", "What tuning did, by the first metric.", wide=True),
    _column("Metric", ".status.evaluation.display", "The first metric, before and after.", wide=True),
    _column("ETA", ".status.progress.eta", "Time to the end of the run, estimated.", wide=True),
    _column("Run", ".status.run", "Number of the run.", kind="integer", wide=True),
]


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
                    "additionalPrinterColumns": _COLUMNS,
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


def _without_help(schema: Any) -> Any:
    """The schema without defaults (what a status leaves out is unknown) and hints (no person writes one)."""
    if isinstance(schema, list):
        return [_without_help(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _without_help(value) for key, value in schema.items() if key not in ("default", "x-kubernetes-validations")
    }
