"""Where an artifact comes from: an in-toto Statement v1 whose predicate is SLSA Provenance v1.

https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md and https://slsa.dev/spec/v1.0/provenance. It is
not signed: it says what the trainer knows, to whoever trusts the place that the digest was read from.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from typing import Any
from urllib.parse import quote

from visionft_api import API_VERSION
from visionft_api.run_file import RunFile
from visionft_api.spec import DataSource, VisionFineTuneSpec
from visionft_api.timestamps import format_timestamp

from visionft_trainer.sources.addresses import address, public_url

FILE = "provenance.json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "https://visionft.dev/provenance/fine-tune/v1"
BUILDER = "https://visionft.dev/trainer"

Origin = dict[str, Any]
"""A SLSA predicate."""
Dependency = dict[str, Any]
"""An in-toto ResourceDescriptor."""


def begin(run_file: RunFile, run: int, started: datetime, dependencies: Sequence[Dependency]) -> Origin:
    """What is known when a run begins. Values of the pod's environment are left out: people put tokens there."""
    meta = run_file.metadata
    whose = resource(meta.namespace, meta.name, meta.uid)
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "apiVersion": API_VERSION,
                "kind": "VisionFineTune",
                "metadata": {"namespace": meta.namespace, "name": meta.name},
                "spec": _public(run_file.spec),
            },
            "resolvedDependencies": [*dependencies, *packages()],
        },
        "runDetails": {
            "builder": {"id": BUILDER, "version": {"visionft": metadata.version("visionft")}},
            "metadata": {
                "invocationId": f"{whose}/run-{run}",
                "startedOn": format_timestamp(started.astimezone(UTC)),
                # Extensions of SLSA's fields carry their vendor's name.
                "visionft_run": run,
                "visionft_specHash": run_file.spec_hash,
            },
        },
    }


def end(origin: Origin, finished: datetime, **learnt: Any) -> Origin:
    """`origin` of a training that is over; `learnt` as `learn` takes it."""
    details = origin["runDetails"]
    known = details["metadata"] | {"finishedOn": format_timestamp(finished.astimezone(UTC))}
    return learn(origin | {"runDetails": details | {"metadata": known}}, **learnt)


def learn(origin: Origin, **learnt: Any) -> Origin:
    """`origin` with what only the training could say, such as the step that ships."""
    details = origin["runDetails"]
    known = {f"visionft_{name}": value for name, value in learnt.items() if value is not None}
    return origin | {"runDetails": details | {"metadata": details["metadata"] | known}}


def statement(digests: Mapping[str, str], origin: Origin) -> dict[str, Any]:
    """The whole: that files with these digests (hexadecimal sha256, by path) come from `origin`."""
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": digests[name]}} for name in sorted(digests, key=str.encode)],
        "predicateType": PREDICATE_TYPE,
        "predicate": origin,
    }


def resource(namespace: str, name: str, uid: str) -> str:
    """The resource that a run is of, as `invocationId` begins; without a uid on a workstation."""
    return "/".join(part for part in (namespace, name, uid) if part)


def resource_of(origin: Origin) -> str:
    """The same, of an artifact's predicate. Raises `KeyError`, `TypeError` or `AttributeError` for others'."""
    whose: str = origin["runDetails"]["metadata"]["invocationId"].rpartition("/")[0]
    return whose


def to_json(value: Mapping[str, Any]) -> str:
    """The same text for the same content."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def model(identity: str, commit: str | None, digest: str | None) -> Dependency:
    """The base model: by its commit on the hub, or by the digest of its folder."""
    if commit is not None:
        return {"name": "model", "uri": f"hf://{identity}@{commit}", "digest": {"gitCommit": commit}}
    return {"name": "model", "uri": identity, **_sha256(digest)}


def rows(split: str, source: DataSource, commit: str | None, digest: str) -> Dependency:
    """The rows of a split. Their digest is over what was read: texts, boxes and the files of pictures, in order."""
    return {"name": f"{split} rows", "uri": address(source, commit), **_sha256(digest)}


def image(reference: str) -> Dependency:
    """The trainer's container image."""
    name, _, digest = reference.partition("@")
    return {"name": "trainer image", "uri": f"oci://{reference if digest else name}", **_sha256(digest or None)}


@cache
def packages() -> tuple[Dependency, ...]:
    """Python and every installed package, as package URLs."""
    found = {(_normal(each.name), each.version) for each in metadata.distributions() if each.name}
    python: Dependency = {"name": "python", "uri": f"pkg:generic/python@{platform.python_version()}"}
    return (python, *({"name": name, "uri": f"pkg:pypi/{name}@{quote(version)}"} for name, version in sorted(found)))


def _public(spec: VisionFineTuneSpec) -> dict[str, Any]:
    said = spec.to_json()
    for variable in said.get("podTemplate", {}).get("env", []):
        variable.pop("value", None)
    for source in said["dataset"].values():
        if isinstance(source, dict) and "http" in source:
            source["http"]["url"] = public_url(source["http"]["url"])
    return said


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _sha256(digest: str | None) -> dict[str, Any]:
    return {"digest": {"sha256": digest.removeprefix("sha256:")}} if digest else {}
