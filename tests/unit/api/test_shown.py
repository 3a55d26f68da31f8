"""However long what somebody wrote, the message about it shows its beginning, the field and the mend."""

from __future__ import annotations

import pytest
from manifests.cases import FOLDER
from visionft_api.parse import ManifestError, parse_manifest
from visionft_api.shown import shorten

MINIMAL = (FOLDER / "valid" / "minimal.yaml").read_text(encoding="utf-8")
LONG = "x" * 100_000


def refused(old: str, new: str) -> str:
    with pytest.raises(ManifestError) as error:
        parse_manifest(MINIMAL.replace(old, new, 1), "wrong.yaml")
    return str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("spec:", f"spec:\n  profileRef: {{name: {LONG}}}", ("spec.profileRef.name: Invalid value: ", "253 bytes")),
        (
            "spec:",
            f"spec:\n  training: {{learningRate: {LONG}}}",
            ("spec.training.learningRate: Invalid value: ", "may not be more than 24 bytes"),
        ),
        (
            "spec:",
            f"spec:\n  training: {{scheduler: {LONG}}}",
            ("spec.training.scheduler: Unsupported value: ", "supported values: "),
        ),
        ("spec:", f"spec:\n  ? {LONG}\n  : 1", ("spec.xxx", "unknown field", "known here: model")),
        ("spec:", f"spec:\n  ? {LONG}\n  : 1\n  ? {LONG}\n  : 2", ("is already set on line", "remove one of them")),
        ("spec:", f"spec:\n  queue: *{LONG}", ("line ", "not YAML: found undefined alias")),
        ("kind: VisionFineTune", f"kind: {LONG}", ("kind: Invalid value: ", "write kind: VisionFineTune")),
    ],
)
def test_a_long_value_leaves_room_for_field_and_mend(old: str, new: str, parts: tuple[str, ...]) -> None:
    message = refused(old, new)
    assert len(message) < 1000
    assert "xxxx…" in message
    for part in parts:
        assert part in message


def test_many_mistakes_are_counted() -> None:
    message = refused("spec:", "spec:\n" + "".join(f"  odd{number}: 1\n" for number in range(5000)))
    lines = message.splitlines()
    assert len(lines) == 21
    assert lines[-1] == "wrong.yaml: and 4980 more problems"


@pytest.mark.parametrize("number", ["9" * 5000, "0x" + "f" * 5000])
def test_a_number_of_thousands_of_digits_is_told(number: str) -> None:
    message = refused("spec:", f"spec:\n  training: {{batchSize: {number}}}")
    assert message == f"wrong.yaml: line 7: a number of {len(number)} digits; no field takes one"


def test_what_fits_is_shown_whole() -> None:
    assert shorten("x" * 200) == "x" * 200
    assert shorten("x" * 201) == "x" * 199 + "…"
