"""The model card: metadata that the hub accepts, an example that is Python, and no figure that was not measured."""

import ast
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from support.run_reports import judgement, report
from visionft_api.status import Resolved
from visionft_trainer.page import model_card
from visionft_trainer.page.model import Provenance

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def base(folder: Path, *, runs_code: bool = False) -> Any:
    family = SimpleNamespace(
        name="Qwen2-VL",
        keep_precision=("model.visual", "lm_head"),
        model_class=lambda: SimpleNamespace(__name__="Some"),
    )
    return SimpleNamespace(folder=folder, family=family, runs_code=runs_code)


def card(
    tmp_path: Path, kind: Any = "adapter", *, model: dict[str, Any], runs_code: bool = False, **changes: Any
) -> tuple[dict[str, Any], str]:
    """Metadata and text."""
    manifest = {"model": model, "adapter": {"method": "lora", "rank": 16}, "training": {"epochs": "2", "batchSize": 16}}
    known = Provenance(model="some/model", resolved=Resolved(model_revision=COMMIT, spec_hash="abc"))
    made, _ = report(**({"manifest": manifest, "provenance": known} | changes))
    text = model_card.text(made, kind, base(tmp_path, runs_code=runs_code))
    _, metadata, body = text.split("---\n", 2)
    return yaml.safe_load(metadata), body


@pytest.mark.parametrize("kind", ["adapter", "merged"])
@pytest.mark.parametrize("quantization", ["nf4", "int8", "none"])
@pytest.mark.parametrize("runs_code", [True, False])
def test_the_example_is_python_and_loads_as_the_run_did(
    tmp_path: Path, kind: str, quantization: str, runs_code: bool
) -> None:
    model = {"name": "org/model", "quantization": quantization}
    _, body = card(tmp_path, kind, model=model, runs_code=runs_code)
    (program,) = re.findall(r"```python\n(.*?)```", body, re.DOTALL)
    ast.parse(program)
    quantized = kind == "adapter" and quantization != "none"
    assert ("quantization_config=quantization" in program) == quantized
    assert ("load_in_4bit=True" in program) == (quantized and quantization == "nf4")
    assert ("llm_int8_skip_modules=['model.visual', 'lm_head']" in program) == quantized
    assert ("PeftModel" in program) == (kind == "adapter")
    assert ("trust_remote_code=True" in program) == runs_code
    assert (f'revision="{COMMIT}"' in program) == (kind == "adapter")


def test_a_model_of_the_hub_is_named_and_another_is_not(tmp_path: Path) -> None:
    named, _ = card(tmp_path, model={"name": "org/model"})
    assert (named["base_model"], named["base_model_relation"]) == ("org/model", "adapter")
    of_a_claim, _ = card(tmp_path, model={"uri": "pvc://models/x"})
    assert "base_model" not in of_a_claim  # the hub refuses what is no repository of its own


@pytest.mark.parametrize(
    ("readme", "known"),
    [
        ("---\nlicense: apache-2.0\n---\nText", {"license": "apache-2.0"}),
        ("---\nlicense: [broken\n---\n", {}),
        ("no metadata", {}),
        (None, {}),
    ],
)
def test_the_license_is_the_base_model_s(tmp_path: Path, readme: str | None, known: dict[str, str]) -> None:
    if readme is not None:
        (tmp_path / "README.md").write_text(readme)
    metadata, _ = card(tmp_path, model={"name": "org/model"})
    assert {key: value for key, value in metadata.items() if key.startswith("license")} == known


def test_every_figure_has_its_interval(tmp_path: Path) -> None:
    metadata, body = card(tmp_path, model={"name": "org/model"})
    (model,) = metadata["model-index"]
    (result,) = model["results"]
    assert {each["type"]: each["value"] for each in result["metrics"]} == {"cer": 0.0287, "exactMatch": 0.85}
    rows = [line for line in body.splitlines() if line.startswith("| ")]
    assert "| Base model | 0.6425 (0.6125 to 0.6725) | 0.0350 (0.0050 to 0.0650) |" in rows
    assert rows[1] == "| --- | --- | --- |"
    assert "- GeneralSetWorse: On the general set" in body
    assert "- The gate `exactMatch >= 0.9` does not hold." in body


def test_what_was_not_measured_is_said(tmp_path: Path) -> None:
    metadata, body = card(tmp_path, model={"name": "org/model"}, judgement=None, gates=[])
    assert "model-index" not in metadata
    assert "- It was not measured." in body
    assert "| " not in body
    without = judgement().model_copy(update={"general_tuned": None})
    _, body = card(tmp_path, model={"name": "org/model"}, judgement=without)
    assert "What it has forgotten was not measured" in body


def test_a_question_of_several_pictures_and_lines_stays_one_string(tmp_path: Path) -> None:
    made, _ = report()
    first = made.samples.chosen[0]
    asked = first.model_copy(
        update={"prompt": 'One "line"\nand ```another``` \u202e\U000e0041\x85end', "more_pictures": 1}
    )
    shown = made.samples.model_copy(update={"chosen": [asked]})
    _, body = card(tmp_path, model={"name": "org/model"}, samples=shown)
    start = body.index("```python\n") + len("```python\n")
    program = body[start : body.index("\n```\n", start)]
    ast.parse(program)
    assert program.count('Image.open("picture') == 2
    assert r'question = "One \"line\"\nand ```another``` \u202e\U000e0041\x85end"' in program
