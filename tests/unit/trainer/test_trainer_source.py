"""Model folders that cannot be trained are refused before anything heavy is imported."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.tiny_spec import MODEL_CLAIM, tiny_spec
from visionft_api.exit_codes import ExitCode
from visionft_trainer.errors import BadModelError
from visionft_trainer.settings import Settings
from visionft_trainer.sources import model as source

FILES: dict[str, Any] = {
    "config.json": json.dumps({"model_type": "qwen2_vl"}),
    "preprocessor_config.json": "{}",
    "tokenizer.json": "{}",
    "model.safetensors": "",
}


def locate(tmp_path: Path, files: dict[str, Any]) -> source.ModelFiles:
    folder = tmp_path / "models" / "tiny"
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return source.locate(tiny_spec(tmp_path).model, Settings(claims={MODEL_CLAIM: tmp_path / "models"}))


def test_complete_folder_is_of_its_family(tmp_path: Path) -> None:
    files = locate(tmp_path, FILES)
    assert files.family.name == "Qwen2-VL"
    assert (files.identity, files.revision) == ("pvc://models/tiny", None)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"config.json": None}, "has no config.json. Name the folder that save_pretrained wrote"),
        ({"config.json": "{"}, "config.json cannot be read"),
        ({"config.json": "[]"}, "config.json is not a JSON object"),
        (
            {"config.json": '{"model_type": "llama"}'},
            "is a 'llama' model, which is not a supported vision-language family",
        ),
        ({"config.json": "{}"}, "is a 'nameless' model"),
        ({"preprocessor_config.json": None}, "Copy the image processor's files beside the weights"),
        ({"tokenizer.json": None}, "has no tokenizer.json. Copy the tokenizer's files beside the weights"),
        ({"model.safetensors": None, "pytorch_model.bin": "x"}, "has no *.safetensors file"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, change: dict[str, Any], complaint: str) -> None:
    files = {name: text for name, text in (FILES | change).items() if text is not None}
    with pytest.raises(BadModelError) as error:
        locate(tmp_path, files)
    assert str(error.value).startswith("spec.model.uri: pvc://models/tiny")
    assert complaint in str(error.value)
    assert error.value.exit_code == ExitCode.BAD_MODEL


def test_missing_folder(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    settings = Settings(claims={MODEL_CLAIM: tmp_path / "models"})
    with pytest.raises(BadModelError, match=r"pvc://models/tiny is not a folder .*Copy the model's files there"):
        source.locate(tiny_spec(tmp_path).model, settings)
