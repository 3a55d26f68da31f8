"""What DeepSeek-OCR-2 and Phi-4-multimodal need beyond what every family is tested for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from support.family_bench import FamilyBench, family_bench, folder_name
from support.family_data import write_family_rows
from support.tiny_models import TINY_MODELS
from support.tiny_spec import DATA_CLAIM, MODEL_CLAIM
from visionft_trainer import libraries
from visionft_trainer.artifacts import adapter as adapters
from visionft_trainer.errors import BadConfigError
from visionft_trainer.families import FAMILIES

libraries.quiet()
BY_NAME = {family.name: family for family in FAMILIES}
DEEPSEEK, PHI = BY_NAME["DeepSeek-OCR-2"], BY_NAME["Phi-4-multimodal"]
# In a process of its own: what the trainer mends in transformers would hide what a plain one does.
PLAIN = """
import sys, torch
from peft import PeftModel
from transformers import AutoModelForImageTextToText
folder, adapter, batch, logits = sys.argv[1:]
model = PeftModel.from_pretrained(AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32), adapter)
with torch.no_grad():
    torch.save(model.eval()(**torch.load(batch)).logits, logits)
"""


def _bench(name: str, place: Path) -> FamilyBench:
    write_family_rows(place / DATA_CLAIM)
    TINY_MODELS[name](place / MODEL_CLAIM / folder_name(BY_NAME[name]))
    return family_bench(BY_NAME[name], place, place / "scratch")


@pytest.fixture(scope="module")
def deepseek(tmp_path_factory: pytest.TempPathFactory) -> FamilyBench:
    place = tmp_path_factory.mktemp("deepseek")
    (place / "scratch").mkdir()
    return _bench(DEEPSEEK.name, place)


@pytest.fixture(scope="module")
def phi(tmp_path_factory: pytest.TempPathFactory) -> FamilyBench:
    place = tmp_path_factory.mktemp("phi")
    (place / "scratch").mkdir()
    return _bench(PHI.name, place)


def test_deepseeks_adapter_is_loaded_whole_by_a_plain_process(deepseek: FamilyBench, tmp_path: Path) -> None:
    tuned = deepseek.tuned_model().eval()
    batch = deepseek.batch([2])
    with torch.no_grad():
        measured = tuned(**batch).logits
    adapter = adapters.write(tuned, tmp_path / "adapter")
    torch.save(batch, tmp_path / "batch.pt")
    places = [deepseek.files.folder, adapter, tmp_path / "batch.pt", tmp_path / "logits.pt"]
    subprocess.run([sys.executable, "-c", PLAIN, *map(str, places)], check=True, capture_output=True, timeout=300)
    torch.testing.assert_close(torch.load(tmp_path / "logits.pt"), measured, atol=1e-5, rtol=0)


def test_deepseeks_experts_are_neither_quantised_nor_tuned(deepseek: FamilyBench, tmp_path: Path) -> None:
    small = deepseek.having(model={"quantization": "nf4"}).tuned_model()
    experts = {name: weight for name, weight in small.named_parameters() if ".experts." in name}
    assert experts
    for weight in experts.values():
        assert (weight.dim(), weight.dtype, weight.requires_grad) == (3, torch.float32, False)
    adapter = load_file(adapters.write(small, tmp_path / "adapter") / adapters.WEIGHTS)
    assert any(".shared_experts." in name for name in adapter)
    assert not any(".experts." in name for name in adapter)


def test_deepseek_has_no_roles_and_ends_each_answer(deepseek: FamilyBench) -> None:
    tokenizer = deepseek.processor.tokenizer
    text = tokenizer.decode(deepseek.rows.examples[2].input_ids)
    assert text == f"{tokenizer.bos_token}Two and two?4, é{tokenizer.eos_token}"
    assert tokenizer.decode(deepseek.rows.examples[0].prompt_ids).endswith("<image>\nRead the number.")


def test_deepseeks_tiles_follow_the_processor(deepseek: FamilyBench) -> None:
    """The processor overrules how many tiles its image processor was saved with."""
    deepseek.processor.image_processor.max_patches = 2
    images = [Image.new("RGB", (300, 100), "white")]
    ours = deepseek.family.process_images(deepseek.processor, images)
    plain = deepseek.processor(images=images, text="<image>", return_tensors="pt")
    assert torch.equal(ours["num_local_patches"], plain["num_local_patches"])
    assert int(ours["num_local_patches"][0]) == 3


def test_phis_tower_reads_a_picture_alike_whatever_is_beside_it(phi: FamilyBench) -> None:
    """A picture without padding next to one with padding, and alone: transformers would read it from the top left."""
    family, processor = phi.family, phi.processor
    full, padded = (family.process_images(processor, [Image.effect_noise(size, 90).convert("RGB")]) for size in
                    ((64, 64), (64, 20)))  # fmt: skip
    assert bool(full["image_attention_mask"].all())
    assert not bool(padded["image_attention_mask"].all())
    ids = torch.tensor(family.image_token_ids(processor, full, 0))[None]
    model = phi.base_model()
    with torch.no_grad():
        alone = model(input_ids=ids, **family.image_inputs([full])).logits[0]
        other = torch.tensor(family.image_token_ids(processor, padded, 0))
        length = max(len(other), ids.shape[1])
        both = torch.full((2, length), processor.tokenizer.pad_token_id)
        both[0, : ids.shape[1]], both[1, : len(other)] = ids[0], other
        mask = (both != processor.tokenizer.pad_token_id).long()
        beside = model(input_ids=both, attention_mask=mask, **family.image_inputs([full, padded])).logits[0]
    torch.testing.assert_close(beside[: ids.shape[1]], alone, atol=1e-5, rtol=0)


def test_phis_last_tower_layer_is_not_adapted(phi: FamilyBench) -> None:
    tuned = phi.having(adapter={"vision": True}).tuned_model()
    layers = {
        name.split("layers.")[1][0]
        for name, _ in tuned.named_parameters()
        if "img_processor" in name and "lora_" in name
    }
    assert layers == {"0", "1"}


@pytest.mark.parametrize("family", [DEEPSEEK, PHI], ids=lambda family: family.name)
@pytest.mark.parametrize(("low", "high", "field"), [(100, None, "minPixels"), (None, 100, "maxPixels")])
def test_bounds_on_pixels_are_refused(family: object, low: int | None, high: int | None, field: str) -> None:
    assert family in (DEEPSEEK, PHI)
    with pytest.raises(BadConfigError, match=rf"spec.dataset.image.{field}: 100; .* cannot be bounded. Remove it."):
        (DEEPSEEK if family is DEEPSEEK else PHI).bound_pixels(None, low, high)


@pytest.mark.parametrize(
    ("size", "problem"),
    [((1, 300), "narrower than 1:200"), ((9000, 40), "narrower than 1:200"), ((2000, 20), None), ((10, 10), None)],
)
def test_pictures_that_cannot_be_encoded_are_told(size: tuple[int, int], problem: str | None) -> None:
    found = DEEPSEEK.fits(*size)
    assert (found is None) == (problem is None)
    assert problem is None or problem in str(found)
    assert (PHI.fits(*size) is None) == (problem is None)
    assert "below 10 pixels" in str(PHI.fits(9, 100))


@pytest.mark.parametrize("size", [(10, 10), (2000, 10), (10, 2000), (64, 64), (65, 64), (513, 33)])
def test_every_fitting_picture_is_encoded(deepseek: FamilyBench, phi: FamilyBench, size: tuple[int, int]) -> None:
    for bench in (deepseek, phi):
        images = bench.family.process_images(bench.processor, [Image.new("RGB", size, "white")])
        assert bench.family.image_token_ids(bench.processor, images, 0)
