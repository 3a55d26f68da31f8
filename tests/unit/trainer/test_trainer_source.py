"""Model folders that cannot be trained are refused before anything heavy is imported."""

import json
import os
from fnmatch import fnmatch
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.tiny_spec import MODEL_CLAIM, tiny_spec
from visionft_api.exit_codes import ExitCode
from visionft_api.spec import ModelSpec
from visionft_trainer.errors import BadModelError, StorageFailedError
from visionft_trainer.settings import Settings
from visionft_trainer.sources import model as source
from visionft_trainer.sources import transfer
from visionft_trainer.storage.digest import folder_digest

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
        ({"config.json": json.dumps({"model_type": "x" * 100_000})}, "xxx… model, which is not a supported"),
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


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "generation_config.json"])
def test_a_pipe_in_a_models_folder_is_told(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "models" / "tiny"
    folder.mkdir(parents=True)
    for other, text in FILES.items():
        (folder / other).write_text(text)
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    with pytest.raises(BadModelError, match=r"pvc://models/tiny: .*not? (a )?plain file.*Copy the model's files again"):
        source.locate(tiny_spec(tmp_path).model, Settings(claims={MODEL_CLAIM: tmp_path / "models"}))


def test_missing_folder(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    settings = Settings(claims={MODEL_CLAIM: tmp_path / "models"})
    with pytest.raises(BadModelError, match=r"pvc://models/tiny is not a folder .*Copy the model's files there"):
        source.locate(tiny_spec(tmp_path).model, settings)


PHI = {"config.json": json.dumps({"model_type": "phi3_v"}), "modeling.py": "raise SystemExit"}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def fake_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, Any]) -> list[str]:
    """A hub with one model; the files that were fetched from it are in the list."""
    fetched: list[str] = []
    folder = tmp_path / "hub" / COMMIT
    folder.mkdir(parents=True)

    def snapshot_download(name: str, revision: str | None, allow_patterns: list[str], *, dry_run: bool = False) -> Any:
        assert revision in (None, COMMIT)
        wanted = [file for file in files if any(fnmatch(file, pattern) for pattern in allow_patterns)]
        if dry_run:
            return [SimpleNamespace(file_size=len(files[file]), will_download=file not in fetched) for file in wanted]
        for file in wanted:
            fetched.append(file)
            (folder / file).write_text(files[file])
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    return fetched


def on_hub(tmp_path: Path, **model: Any) -> ModelSpec:
    return tiny_spec(tmp_path, model={"uri": None, "name": "org/model", **model}).model


def test_a_model_whose_code_is_not_trusted_is_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = fake_hub(tmp_path, monkeypatch, FILES | PHI)
    with pytest.raises(BadModelError, match=r"spec\.model\.revision to the commit whose code you have read"):
        source.locate(on_hub(tmp_path), Settings())
    assert fetched == ["config.json"]


@pytest.mark.parametrize(("files", "code"), [(FILES | PHI, True), (FILES | {"modeling.py": ""}, False)])
def test_code_is_fetched_only_where_a_family_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, Any], code: bool
) -> None:
    fetched = fake_hub(tmp_path, monkeypatch, files)
    found = source.locate(on_hub(tmp_path, revision=COMMIT, trustRemoteCode=True), Settings())
    assert ("modeling.py" in fetched) == code == found.runs_code
    assert "model.safetensors" in fetched
    assert found.revision == COMMIT


def test_too_small_a_disk_is_told_before_the_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = fake_hub(tmp_path, monkeypatch, FILES | {"model.safetensors": "x" * 5000})
    room = transfer.SPARE_BYTES + 4000
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=room))
    with pytest.raises(StorageFailedError, match=r"^spec\.model\.name: .*\(5,\d+ bytes are needed and 4,000 are free"):
        source.locate(on_hub(tmp_path), Settings())
    assert "model.safetensors" not in fetched


def test_a_folder_has_the_digest_that_the_manifest_says(tmp_path: Path) -> None:
    locate(tmp_path, FILES)
    settings = Settings(claims={MODEL_CLAIM: tmp_path / "models"})
    right = folder_digest(tmp_path / "models" / "tiny")
    assert source.locate(tiny_spec(tmp_path, model={"revision": right}).model, settings).family.name == "Qwen2-VL"
    wrong = f"sha256:{'0' * 64}"
    with pytest.raises(BadModelError, match=f"has the digest {right}, not {wrong}. Look at what changed"):
        source.locate(tiny_spec(tmp_path, model={"revision": wrong}).model, settings)
