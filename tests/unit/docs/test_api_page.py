"""docs/api.md: its manifest works and leaves no field out; its list is what the code does not support."""

import re
from pathlib import Path

from pydantic import BaseModel
from visionft_api.parse import parse_manifest
from visionft_api.spec import VisionFineTuneSpec
from visionft_api.support import NOT_SUPPORTED, unsupported

PAGE = (Path(__file__).parents[3] / "docs" / "api.md").read_text(encoding="utf-8")
MANIFESTS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
ABSENT = set(re.findall(r"^\| `(spec\.[\w.]+)` \|", PAGE, re.MULTILINE))
"""Fields of which no value works yet: those in the list without the values that do not."""


def fields_of(model: BaseModel, path: str) -> list[str]:
    """Dotted JSON names of all fields of a model and of the models that it holds."""
    found = []
    for name, field in type(model).model_fields.items():
        here = f"{path}.{field.alias or name}"
        found.append(here)
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            found += fields_of(value, here)
    return found


def test_the_manifest_parses_and_asks_for_nothing_unsupported() -> None:
    assert len(MANIFESTS) == 1
    assert unsupported(parse_manifest(MANIFESTS[0], "docs/api.md").spec) == []


def test_the_manifest_has_every_field_that_is_honoured() -> None:
    spec: VisionFineTuneSpec = parse_manifest(MANIFESTS[0]).spec
    missing = [
        field
        for field in fields_of(spec, "spec")
        if field not in ABSENT and not re.search(rf"\b{field.rpartition('.')[2]}:", MANIFESTS[0])
    ]
    assert missing == []


def test_values_that_are_called_default_are_the_defaults() -> None:
    spec = parse_manifest(MANIFESTS[0]).spec
    checked = 0
    for part in ("adapter", "training", "evaluation", "resources", "run_policy"):
        model = getattr(spec, part)
        for name, field in type(model).model_fields.items():
            line = re.search(rf"^    {field.alias or name}: .*# default(?!:)", _block(part), re.MULTILINE)
            if line:
                assert getattr(model, name) == field.get_default(call_default_factory=True), f"{part}.{name}"
                checked += 1
    assert checked >= 25


def test_the_list_is_what_the_code_does_not_support() -> None:
    rows = re.findall(r"^\| `(spec\.[\w.]+)`[^|]* \| (.+) \|$", PAGE, re.MULTILINE)
    assert rows == [(entry.field, entry.mend) for entry in NOT_SUPPORTED]


def _block(part: str) -> str:
    name = {"run_policy": "runPolicy"}.get(part, part)
    found = re.search(rf"^  {name}:.*\n((?:    .*\n)+)", MANIFESTS[0], re.MULTILINE)
    assert found, name
    return found[1]
