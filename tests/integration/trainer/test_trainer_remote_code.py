"""Code that comes with a model: not run unless it is trusted and pinned, and told where it cannot run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from support.shipping import write_merged
from support.tiny_models import TINY_MODELS
from support.tiny_models.remote_code import CODE, PHI3_MODULE, REMOTE_MODELS, change, tiny_phi3_vision
from support.tiny_spec import MODEL_CLAIM, tiny_manifest
from visionft_api.spec import VisionFineTuneSpec
from visionft_trainer import libraries
from visionft_trainer.errors import BadModelError
from visionft_trainer.model import load
from visionft_trainer.settings import Settings
from visionft_trainer.sources import model as source
from visionft_trainer.sources import model_code
from visionft_trainer.storage.digest import folder_digest

libraries.quiet()
MARKER = "was-imported"
WORKS = (CODE / f"{PHI3_MODULE}.py").read_text(encoding="utf-8")
FAILS = {
    "a class that is gone": f"from transformers.models.llama.modeling_llama import LlamaFlashAttention2\n{WORKS}",
    "a package that is not here": f"import addict\n{WORKS}",
    "an attribute that is gone": f"import transformers\ntransformers.utils.is_no_longer_there\n{WORKS}",
    "a model that cannot be built": WORKS.replace("Phi3VModel(config)", "config.rope_scaling_of_old['type']"),
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder that stands for all claims."""
    return tmp_path


def _spec(folder: str = "tiny", **model: Any) -> VisionFineTuneSpec:
    uri = {"uri": f"pvc://{MODEL_CLAIM}/{folder}", "quantization": "none"}
    return VisionFineTuneSpec.model_validate(tiny_manifest(model=uri | model)["spec"])


def _trusted(place: Path) -> VisionFineTuneSpec:
    return _spec(trustRemoteCode=True, revision=folder_digest(place / MODEL_CLAIM / "tiny"))


def _settings(place: Path) -> Settings:
    return Settings(claims={MODEL_CLAIM: place / MODEL_CLAIM})


def _phi3(place: Path, code: str | None = None) -> Path:
    """A Phi-3-Vision whose module is `code`: by default the one that runs, which leaves a mark when it is imported."""
    folder = tiny_phi3_vision(place / MODEL_CLAIM / "tiny")
    marking = f"open({str(place / MARKER)!r}, 'w').close()\n{WORKS}"
    (folder / f"{PHI3_MODULE}.py").write_text(marking if code is None else code, encoding="utf-8")
    return folder


def test_code_is_refused_and_not_run_unless_it_is_trusted(place: Path) -> None:
    _phi3(place)
    with pytest.raises(BadModelError) as error:
        source.locate(_spec().model, _settings(place))
    assert str(error.value) == (
        "spec.model.uri: pvc://models/tiny is a Phi-3-Vision model, whose code is not part of transformers: it comes "
        "with the model, and such code is not run unless it is trusted. Use Phi-4-multimodal in the form of "
        "transformers, which needs none; or read the code, then set spec.model.trustRemoteCode to true and "
        "spec.model.revision to the sha256: digest of the folder."
    )
    assert not (place / MARKER).exists()


def test_code_beside_a_family_of_transformers_is_not_run(place: Path) -> None:
    """Neither by way of its configuration nor of its processor or tokenizer."""
    code = _phi3(place)
    folder = TINY_MODELS["LLaVA 1.5"](place / MODEL_CLAIM / "llava")
    for module in code.glob("*.py"):
        shutil.copy(module, folder)
    for file in ("config.json", "processor_config.json"):
        change(folder / file, auto_map=json.loads((code / file).read_text())["auto_map"])
    change(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": [f"{PHI3_MODULE}.Phi3VProcessor"] * 2})
    spec = _spec("llava")
    files = source.locate(spec.model, _settings(place))
    try:
        load.load_processor(files, spec)
    except BadModelError as refused:
        assert "custom code" in str(refused)  # noqa: PT017 - loading it without its code would do as well
    load.load_model(files, spec, torch.device("cpu"))
    assert not (place / MARKER).exists()


def test_changed_files_are_not_run(place: Path) -> None:
    folder = _phi3(place)
    spec = _trusted(place)
    (folder / "README.md").write_text("changed since it was read")
    with pytest.raises(BadModelError, match=r"spec.model.revision: .* has the digest sha256:.*, not sha256:"):
        source.locate(spec.model, _settings(place))
    assert not (place / MARKER).exists()


def test_code_of_another_repository_is_not_run(place: Path) -> None:
    folder = _phi3(place)
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"]["AutoModelForCausalLM"] = f"org/other--{PHI3_MODULE}.Phi3VForCausalLM"
    (folder / "config.json").write_text(json.dumps(config))
    spec = _trusted(place)
    files = source.locate(spec.model, _settings(place))
    with pytest.raises(BadModelError, match="from another repository"):
        model_code.try_code(files, spec, _settings(place))
    assert not (place / MARKER).exists()


def test_trusted_code_is_run(place: Path) -> None:
    """Else its mark would prove nothing."""
    _phi3(place)
    spec = _trusted(place)
    model_code.try_code(source.locate(spec.model, _settings(place)), spec, _settings(place))
    assert (place / MARKER).exists()


@pytest.mark.parametrize("code", FAILS.values(), ids=list(FAILS))
def test_code_that_cannot_run_here_says_with_what_it_would(place: Path, code: str) -> None:
    import transformers

    _phi3(place, code)
    spec = _trusted(place)
    files = source.locate(spec.model, _settings(place))
    with pytest.raises(BadModelError) as error:
        model_code.try_code(files, spec, _settings(place))
    assert "the code that comes with the model cannot be run (" in str(error.value)
    assert f"Its authors wrote it for transformers 4.43.0; {transformers.__version__} is installed" in str(error.value)
    assert "Use Phi-4-multimodal" in str(error.value)


@pytest.mark.parametrize("model_type", ["phi3_v", "deepseek_vl_v2"])
def test_a_folder_without_the_code_is_told(place: Path, model_type: str) -> None:
    change(_phi3(place) / "config.json", model_type=model_type, auto_map={})
    spec = _trusted(place)
    files = source.locate(spec.model, _settings(place))
    with pytest.raises(BadModelError, match=r"auto_map has no AutoConfig and no AutoModelForImageTextToText"):
        model_code.try_code(files, spec, _settings(place))


@pytest.mark.parametrize("name", REMOTE_MODELS)
def test_what_ships_brings_its_code(place: Path, name: str) -> None:
    """That it is trained and merged like any other model is in tests/integration/families."""
    REMOTE_MODELS[name](place / MODEL_CLAIM / "tiny")
    spec = _trusted(place)
    files = source.locate(spec.model, _settings(place))
    model_code.try_code(files, spec, _settings(place))
    model, processor = load.load_model(files, spec, torch.device("cpu")), load.load_processor(files, spec)
    write_merged(model, processor, place / "merged")
    code = {path.name for path in files.folder.glob("*.py")}
    assert len(code) > 1
    assert {path.name for path in (place / "merged").glob("*.py")} == code
    again = files.family.model_class().from_pretrained(place / "merged", trust_remote_code=True)
    assert type(again).__name__ == type(model).__name__
