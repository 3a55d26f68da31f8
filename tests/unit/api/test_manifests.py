"""A workstation refuses each wrong manifest with the text that its header promises, and takes the right ones."""

import re
from pathlib import Path
from typing import get_args

import pytest
from manifests.cases import InvalidManifest, invalid_manifests, valid_manifests
from manifests.unsupported import CHANGES, manifest_asking_for
from pydantic import BaseModel
from visionft_api.base import ApiModel
from visionft_api.parse import ManifestError, parse_manifest, parse_resource
from visionft_api.resource import VisionFineTune
from visionft_api.rules import Rule
from visionft_api.support import NOT_SUPPORTED as TABLE
from visionft_api.support import Unsupported, unsupported

REFUSED = invalid_manifests()


def by_name(manifest: InvalidManifest | Path) -> str:
    return manifest.stem if isinstance(manifest, Path) else manifest.name


@pytest.mark.parametrize("manifest", REFUSED, ids=by_name)
def test_a_wrong_manifest_is_refused_with_field_and_mend(manifest: InvalidManifest) -> None:
    with pytest.raises(ManifestError) as caught:
        parse_manifest(manifest.text, "wrong.yaml")
    problems = caught.value.problems
    assert [problem.field for problem in problems] == [manifest.field]
    assert manifest.says in problems[0].message
    assert str(caught.value).startswith("wrong.yaml: ")
    # The path is told once: "spec.training.optimizer: training.optimizer works ..." says it twice.
    last = manifest.field.rpartition(".")[2]
    assert not re.search(rf": (\w+\.)*{re.escape(last)} ", str(caught.value))


@pytest.mark.parametrize("entry", TABLE, ids=lambda entry: entry.field)
def test_what_nothing_honours_is_named_with_a_way_around(entry: Unsupported) -> None:
    problems = unsupported(parse_resource(manifest_asking_for(entry.field)).spec)
    told = {problem.field: problem.message for problem in problems}
    assert told[entry.field] == f"not supported by this version yet; {entry.mend}"


def test_there_is_a_manifest_only_for_what_is_not_supported() -> None:
    assert set(CHANGES) == {entry.field for entry in TABLE}


@pytest.mark.parametrize("path", valid_manifests(), ids=by_name)
def test_a_right_manifest_is_taken(path: Path) -> None:
    resource = parse_manifest(path.read_text(encoding="utf-8"))
    again = parse_resource(resource.to_json())
    assert again == resource


@pytest.mark.parametrize("path", [path for path in valid_manifests() if path.stem != "later"], ids=by_name)
def test_the_examples_are_honoured_in_full(path: Path) -> None:
    assert unsupported(parse_manifest(path.read_text(encoding="utf-8")).spec) == []


def test_every_rule_has_a_manifest_that_breaks_it() -> None:
    """The manifests are what proves that a rule's CEL and its twin agree, so none may be without."""
    broken: set[int] = set()
    for manifest in REFUSED:
        if manifest.kind != "rule":
            continue
        with pytest.raises(ManifestError) as caught:
            parse_manifest(manifest.text)
        broken |= {id(rule) for rule in _rules(VisionFineTune) if _could_say(rule, caught.value.problems[0].message)}
    without = [rule.message for rule in _rules(VisionFineTune) if id(rule) not in broken]
    assert without == []


def _could_say(rule: Rule, message: str) -> bool:
    """Whether the message is an instance of the rule's template: its fixed pieces, in order."""
    position = 0
    for piece in rule.fixed_pieces():
        found = message.find(piece, position)
        if found < 0:
            return False
        position = found + len(piece)
    return True


def _rules(model: type[BaseModel], seen: set[type] | None = None) -> list[Rule]:
    """The rules of a model and all below it."""
    seen = set() if seen is None else seen
    if model in seen:
        return []
    seen.add(model)
    rules = list(model.rules) if issubclass(model, ApiModel) else []
    for field in model.model_fields.values():
        for child in _models_in(field.annotation):
            rules += _rules(child, seen)
    return rules


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]
