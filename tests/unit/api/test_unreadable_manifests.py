"""Mistakes below the API: in the YAML, or in what kind of thing the file is. Each is one clear sentence."""

import json
import os
from pathlib import Path

import pytest
from manifests.cases import FOLDER
from visionft_api.parse import ManifestError, parse_manifest, read_text

MINIMAL = (FOLDER / "valid" / "minimal.yaml").read_text(encoding="utf-8")


def refusal(text: str) -> str:
    with pytest.raises(ManifestError) as caught:
        parse_manifest(text, "tune.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "tune.yaml: the file is empty; it should hold a VisionFineTune"),
        ("# nothing but a comment\n---\n", "the file is empty"),
        ("just words", "holds a text, not a manifest; it should start with apiVersion: visionft.dev/v1alpha1"),
        ("- a\n- b\n", "holds a list, not a manifest"),
        ("42", "holds a single value, not a manifest"),
        (f"{MINIMAL}---\n{MINIMAL}", "holds 2 documents; keep one"),
        ("spec:\n\trank: 1\n", "line 2, column 1: not YAML: a tab where YAML wants spaces; indent with spaces"),
        ("spec: {a: 1\n", "not YAML: expected ',' or '}'"),
        ("spec: [1, 2\nkind: x\n", "line 2, column 5: not YAML:"),
        ("a: 'no end\n", "not YAML: found unexpected end of stream"),
        ("kind: A\nkind: B\n", 'line 2: key "kind" is already set on line 1; remove one of them'),
        ("spec:\n  adapter: {rank: 1, rank: 2}\n", 'line 2: key "rank" is already set on line 2'),
        ("1: a\n", "line 1: the key 1 is not a text; put it in quotes"),
        ("on: a\n", "line 1: the key True is not a text; put it in quotes"),
        ("a: !!python/object/apply:os.system [ls]\n", "not YAML: could not determine a constructor for the tag"),
        ("a: *nowhere\n", "not YAML: found undefined alias 'nowhere'"),
        ("a: &x [b]\nc: [" + "*x, " * 101 + "]\n", "more than 100 aliases (*name); write the values out"),
        ("a: \x00\n", "character 3 ("),
        ("[" * 5000, "nested too deeply"),
        (
            MINIMAL.replace("v1alpha1", "v1"),
            'apiVersion: Invalid value: "visionft.dev/v1": this is not a VisionFineTune',
        ),
        (
            MINIMAL.replace("kind: VisionFineTune", "kind: Job"),
            'kind: Invalid value: "Job": this is not a VisionFineTune',
        ),
        (MINIMAL.replace("kind: VisionFineTune\n", ""), "write kind: VisionFineTune"),
        (MINIMAL.replace("  name: minimal\n", "  namespace: a\n"), "metadata.name: Required value"),
        (MINIMAL.replace("metadata:\n  name: minimal\n", ""), "metadata: Required value"),
    ],
)
def test_the_sentence_names_place_and_mend(text: str, says: str) -> None:
    assert says in refusal(text)


def test_aliases_do_not_grow_without_end() -> None:
    """Ten levels of ten aliases are 10^10 values in a file of 600 bytes."""
    levels = "\n".join(f"  l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, 11))
    text = MINIMAL.replace("spec:\n", f"spec:\n  l0: &l0 [a]\n{levels}\n  adapter: *l10\n")
    assert "spec.adapter: must be of type object" in refusal(text)
    assert len(refusal(text)) < 10_000


def test_every_mistake_is_named_at_once() -> None:
    text = MINIMAL.replace("spec:\n", "spec:\n  adapter: {rank: 0, alpha: x}\n  lora: {}\n")
    lines = refusal(text).splitlines()
    assert [line.split(": ")[1] for line in lines] == ["spec.adapter.rank", "spec.adapter.alpha", "spec.lora"]


def test_every_broken_rule_is_named_at_once() -> None:
    adapter = "spec:\n  adapter: {vision: false, projector: false, language: false, attention: false, mlp: false}\n"
    assert len(refusal(MINIMAL.replace("spec:\n", adapter)).splitlines()) == 2


def test_a_misspelt_name_gets_the_right_one() -> None:
    assert 'did you mean "rank"?' in refusal(MINIMAL.replace("spec:\n", "spec:\n  adapter: {rnak: 1}\n"))


@pytest.mark.parametrize("value", ["2e-4", "0.03", ".5", "1_0.5", "1e3"])
def test_a_bare_decimal_is_a_number_as_for_kubectl(value: str) -> None:
    """PyYAML alone takes 2e-4 for a text, which the API server then refuses."""
    text = MINIMAL.replace("spec:\n", f"spec:\n  training: {{learningRate: {value}}}\n")
    assert 'must be of type string: "number"; write a number that is not negative, in quotes' in refusal(text)


@pytest.mark.parametrize("value", ["1:30", "2026-01-31", "2026-01-31T08:00:00Z", "0b12"])
def test_what_kubectl_takes_for_text_is_text(value: str) -> None:
    """PyYAML alone makes numbers and dates of these."""
    text = MINIMAL.replace("spec:\n", f"spec:\n  runPolicy: {{rerun: {value}}}\n")
    assert parse_manifest(text).spec.run_policy.rerun == value


@pytest.mark.parametrize(
    ("value", "number"), [("0o17", 15), ("017", 15), ("0x1F", 31), ("+7", 7), ("1_000", 1000), ("7.0", 7)]
)
def test_whole_numbers_have_kubectls_spellings(value: str, number: int) -> None:
    text = MINIMAL.replace("spec:\n", f"spec:\n  training: {{seed: {value}}}\n")
    assert parse_manifest(text).spec.training.seed == number


def test_merge_keys_work() -> None:
    text = MINIMAL.replace("spec:\n", "spec:\n  adapter: {<<: {rank: 4, alpha: 8}, alpha: 9}\n")
    adapter = parse_manifest(text).spec.adapter
    assert (adapter.rank, adapter.alpha) == (4, 9)


def test_json_is_taken_too() -> None:
    resource = parse_manifest(MINIMAL)
    assert parse_manifest(json.dumps(resource.to_json())) == resource


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "tune.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + MINIMAL.encode())
    assert parse_manifest(read_text(path)).metadata.name == "minimal"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (MINIMAL.encode("utf-16"), "byte 0 is not UTF-8; save the file as UTF-8"),
        (b"kind: \xe9t\xe9\n", "byte 6 is not UTF-8"),
        (b"#" * 2_000_000, "has more than 1,500,000 bytes, which are too many for a manifest"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "tune.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ManifestError) as caught:
        read_text(path)
    assert str(caught.value).startswith(f"{path}: {says}")


def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "tune.yaml"
    os.mkfifo(path)
    kept_open = os.open(path, os.O_RDWR)  # so that one that opens it does not hang
    os.write(kept_open, MINIMAL.encode())
    try:
        with pytest.raises(ManifestError, match=r"is a named pipe.*give the manifest's file"):
            read_text(path)
    finally:
        os.close(kept_open)


def test_what_a_shell_pipes_in_is_read() -> None:
    reading, writing = os.pipe()
    os.write(writing, MINIMAL.encode())
    os.close(writing)
    try:
        assert read_text(Path(f"/dev/fd/{reading}")) == MINIMAL
    finally:
        os.close(reading)
