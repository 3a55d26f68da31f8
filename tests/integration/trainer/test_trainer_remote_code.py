"""Code that comes with a model: not run unless it is trusted and pinned, then trained like any other."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from support.family_bench import FamilyBench, adapted_modules
from support.family_data import ROWS, TRAIN_FILE, write_family_rows
from support.family_reference import TURNS, gradients, plain_loss, plain_peft
from support.shipping import write_merged
from support.tiny_models.remote_code import DEEPSEEK_OCR, MODULE, PHI3_VISION, Ported, change
from support.tiny_spec import DATA_CLAIM, MODEL_CLAIM, tiny_manifest
from visionft_api.spec import VisionFineTuneSpec
from visionft_trainer import libraries
from visionft_trainer.artifacts import adapter as adapters
from visionft_trainer.artifacts import merged as merging
from visionft_trainer.data import ingest
from visionft_trainer.errors import BadModelError
from visionft_trainer.model import load
from visionft_trainer.prepare import preprocess
from visionft_trainer.settings import Settings
from visionft_trainer.sources import model as source
from visionft_trainer.sources import model_code
from visionft_trainer.storage.digest import folder_digest
from visionft_trainer.storage.scratch import Scratch

libraries.quiet()
MARKER = "was-imported"
FAILS = {
    "a class that is gone": "from transformers.models.llama.modeling_llama import LlamaFlashAttention2\n",
    "a package that is not here": "import addict\n",
    "an attribute that is gone": "import transformers\ntransformers.utils.is_no_longer_there\n",
    "a model that cannot be built": PHI3_VISION.code.replace(
        "    config_class = PortedConfig", "    def __init__(self, config):\n        config.rope_scaling_of_old['type']"
    ),
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Folders that stand for claims, with the family tests' rows."""
    write_family_rows(tmp_path / DATA_CLAIM)
    return tmp_path


def _spec(place: Path, **model: Any) -> VisionFineTuneSpec:
    uri = {"uri": f"pvc://{MODEL_CLAIM}/tiny", "quantization": "none"}
    manifest = tiny_manifest(
        model=uri | model,
        dataset={"train": {"pvc": {"claimName": DATA_CLAIM, "path": TRAIN_FILE}}, "validation": None},
        training={"maxSteps": 1, "batchSize": 4},
        adapter={"vision": True, "projector": True},
    )
    return VisionFineTuneSpec.model_validate(manifest["spec"])


def _trusted(place: Path) -> VisionFineTuneSpec:
    return _spec(place, trustRemoteCode=True, revision=folder_digest(place / MODEL_CLAIM / "tiny"))


def _settings(place: Path) -> Settings:
    return Settings(claims={name: place / name for name in (MODEL_CLAIM, DATA_CLAIM)})


def _marking(place: Path) -> str:
    """Code that leaves a mark when it is imported."""
    return f"open({str(place / MARKER)!r}, 'w').close()\n{PHI3_VISION.code}"


def test_code_is_refused_and_not_run_unless_it_is_trusted(place: Path) -> None:
    folder = PHI3_VISION.write(place / MODEL_CLAIM / "tiny", _marking(place))
    spec = _spec(place)
    with pytest.raises(BadModelError) as error:
        source.locate(spec.model, _settings(place))
    assert str(error.value) == (
        "spec.model.uri: pvc://models/tiny is a Phi-3-Vision model, whose code is not part of transformers: it comes "
        "with the model, and such code is not run unless it is trusted. Use Phi-4-multimodal in the form of "
        "transformers, which needs none; or read the code, then set spec.model.trustRemoteCode to true and "
        "spec.model.revision to the sha256: digest of the folder."
    )
    assert not (place / MARKER).exists()
    # Nor for a family of transformers, by way of its processor or tokenizer.
    change(folder / "config.json", model_type="llava")
    change(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": [f"{MODULE}.PortedProcessor"] * 2})
    files = source.locate(spec.model, _settings(place))
    try:
        load.load_processor(files, spec)
    except BadModelError as refused:
        assert "custom code" in str(refused)  # noqa: PT017 - loading it without its code would do as well
    load.load_model(files, spec, torch.device("cpu"))
    assert not (place / MARKER).exists()


def test_changed_files_are_not_run(place: Path) -> None:
    folder = PHI3_VISION.write(place / MODEL_CLAIM / "tiny", _marking(place))
    spec = _trusted(place)
    (folder / "README.md").write_text("changed since it was read")
    with pytest.raises(BadModelError, match=r"spec.model.revision: .* has the digest sha256:.*, not sha256:"):
        source.locate(spec.model, _settings(place))
    assert not (place / MARKER).exists()


def test_code_of_another_repository_is_not_run(place: Path) -> None:
    folder = PHI3_VISION.write(place / MODEL_CLAIM / "tiny", _marking(place))
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"]["AutoModelForCausalLM"] = f"org/other--{MODULE}.PortedModel"
    (folder / "config.json").write_text(json.dumps(config))
    spec = _trusted(place)
    files = source.locate(spec.model, _settings(place))
    with pytest.raises(BadModelError, match="from another repository"):
        model_code.try_code(files, spec, _settings(place))
    assert not (place / MARKER).exists()


@pytest.mark.parametrize("code", FAILS.values(), ids=list(FAILS))
def test_code_that_cannot_run_here_says_with_what_it_would(place: Path, code: str) -> None:
    import transformers

    PHI3_VISION.write(place / MODEL_CLAIM / "tiny", code if "class PortedConfig" in code else code + PHI3_VISION.code)
    spec = _trusted(place)
    files = source.locate(spec.model, _settings(place))
    with pytest.raises(BadModelError) as error:
        model_code.try_code(files, spec, _settings(place))
    assert "the code that comes with the model cannot be run (" in str(error.value)
    assert f"written for transformers 4.43.0; {transformers.__version__} is installed" in str(error.value).replace(
        "Its authors wrote it", "written"
    )
    assert "Use Phi-4-multimodal" in str(error.value)


@pytest.mark.parametrize("model_type", ["phi3_v", "deepseek_vl_v2"])
def test_a_folder_without_the_code_is_told(place: Path, model_type: str) -> None:
    folder = PHI3_VISION.write(place / MODEL_CLAIM / "tiny")
    change(folder / "config.json", model_type=model_type, auto_map={})
    spec = _trusted(place)
    files = source.locate(spec.model, _settings(place))
    with pytest.raises(BadModelError, match=r"auto_map has no AutoConfig and no AutoModelForImageTextToText"):
        model_code.try_code(files, spec, _settings(place))


@pytest.fixture(scope="module", params=[PHI3_VISION, DEEPSEEK_OCR], ids=lambda ported: ported.model_type)
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FamilyBench:
    """The whole path up to the model, for the code that is trusted."""
    place = tmp_path_factory.mktemp("trusted")
    write_family_rows(place / DATA_CLAIM)
    ported: Ported = request.param
    ported.write(place / MODEL_CLAIM / "tiny")
    spec, settings = _trusted(place), _settings(place)
    files = source.locate(spec.model, settings)
    model_code.try_code(files, spec, settings)
    processor = load.load_processor(files, spec)
    scratch = Scratch(tmp_path_factory.mktemp("scratch"))
    data = ingest.ingest(spec, settings, scratch)
    rows = preprocess.preprocess(data.train, spec.dataset, processor, files.family, scratch)
    return FamilyBench(files.family, files, spec, processor, rows)


def test_trusted_code_is_trained_like_any_other(bench: FamilyBench, monkeypatch: pytest.MonkeyPatch) -> None:
    if bench.family.name == "Phi-3-Vision":
        monkeypatch.setitem(TURNS, "PortedProcessor", TURNS["LlavaProcessor"])
    images = bench.rows.pictures._rules.folder
    tuned = bench.tuned_model().train()
    loss = tuned(**bench.batch()).loss
    loss.backward()
    plain = _plain(bench, adapted_modules(tuned))
    expected_loss = plain_loss(plain, bench.processor, ROWS, images)
    expected_loss.backward()
    torch.testing.assert_close(loss, expected_loss, atol=1e-6, rtol=0)
    expected = gradients(plain)
    found = gradients(tuned)
    assert found.keys() == expected.keys()
    parts = {name for name in found if "vision_tower" in name}, {name for name in found if "projector" in name}
    assert all(parts)
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name], atol=1e-6, rtol=0, msg=name)


def test_what_ships_is_what_was_measured_and_brings_its_code(bench: FamilyBench, tmp_path: Path) -> None:
    tuned = bench.tuned_model().eval()
    batch = bench.batch()
    with torch.no_grad():
        measured = tuned(**batch).logits
        adapter = adapters.write(tuned, tmp_path / "adapter")
        merged = merging.merge(tuned, adapter)
        write_merged(merged, bench.processor, tmp_path / "merged")
        again = bench.family.model_class().from_pretrained(tmp_path / "merged", trust_remote_code=True).eval()
        torch.testing.assert_close(again(**batch).logits, measured, atol=1e-5, rtol=0)
    assert type(again).__name__ == "PortedModel"


def test_answers_in_a_batch_equal_answers_one_by_one(bench: FamilyBench) -> None:
    model = bench.tuned_model().eval()
    assert bench.answers(model, len(ROWS), 8) == bench.answers(model, 1, 8)


def test_four_bits_and_the_frozen_tower(bench: FamilyBench) -> None:
    from bitsandbytes.nn.modules import Linear4bit

    small = bench.having(model={"quantization": "nf4"}, adapter={"vision": False, "projector": False}).tuned_model()
    quantised = {name for name, module in small.named_modules() if isinstance(module, Linear4bit)}
    assert quantised
    assert all(".language_model." in name for name in quantised)
    features = []
    tower = small.get_base_model().get_submodule("model.vision_tower")
    tower.register_forward_hook(lambda module, inputs, output: features.append(output.last_hidden_state))
    small.train()
    small(**bench.batch()).loss.backward()
    assert {feature.requires_grad for feature in features} == {False}


def _plain(bench: FamilyBench, modules: list[str]) -> Any:
    """`plain_peft`, for a model that needs its code."""

    def from_pretrained(folder: Path, **settings: Any) -> Any:
        return bench.family.model_class().from_pretrained(folder, trust_remote_code=True, **settings)

    loader = SimpleNamespace(from_pretrained=from_pretrained)
    trusting: Any = SimpleNamespace(
        family=SimpleNamespace(model_class=lambda: loader), files=bench.files, spec=bench.spec
    )
    return plain_peft(trusting, modules)
