"""Pixtral's pictures of any size: what fills them up in a batch is not seen, and their tokens are not learnt."""

from __future__ import annotations

import json
from math import isqrt
from typing import Any

import pytest
import torch
from PIL import Image
from support.family_bench import FamilyBench
from visionft_trainer.errors import BadConfigError
from visionft_trainer.families import FAMILIES, find_family

NAMES = ("Pixtral", "Mistral Small 3")


@pytest.fixture(scope="module", params=NAMES)
def pixtral(request: pytest.FixtureRequest, named_bench: Any) -> FamilyBench:
    bench: FamilyBench = named_bench(request.param)
    return bench


@torch.no_grad()
def test_filling_is_not_seen(pixtral: FamilyBench) -> None:
    model = pixtral.base_model()
    batch = pixtral.batch()
    pixels, sizes = batch["pixel_values"], batch["image_sizes"].tolist()
    assert len({tuple(size) for size in sizes}) > 2
    expected = model(**batch).logits
    noise = torch.randn(pixels.shape, generator=torch.Generator().manual_seed(0))
    for picture, (height, width) in enumerate(sizes):
        noise[picture, :, :height, :width] = pixels[picture, :, :height, :width]
    assert torch.equal(model(**batch | {"pixel_values": noise}).logits, expected)


@torch.no_grad()
def test_without_sizes_the_model_would_not_run(pixtral: FamilyBench) -> None:
    batch = pixtral.batch()
    model = pixtral.base_model()
    del batch["image_sizes"]
    with pytest.raises((ValueError, TypeError)):
        model(**batch)


def test_lines_of_a_picture(pixtral: FamilyBench) -> None:
    processor = pixtral.processor
    edge = processor.patch_size * processor.spatial_merge_size
    images = pixtral.family.process_images(processor, [Image.new("RGB", (3 * edge, 2 * edge))])
    tokens = processor.tokenizer.convert_ids_to_tokens(pixtral.family.image_token_ids(processor, images, 0))
    assert tokens == ["[IMG]"] * 3 + ["[IMG_BREAK]"] + ["[IMG]"] * 3 + ["[IMG_END]"]
    special = {processor.image_token_id, processor.image_break_token_id, processor.image_end_token_id}
    batch = pixtral.batch()
    assert special <= set(batch["input_ids"].flatten().tolist())
    assert not special & set(batch["labels"].flatten().tolist())


def test_pixels_are_bounded_by_the_longest_side(pixtral: FamilyBench) -> None:
    from transformers import AutoProcessor

    family = pixtral.family
    processor = AutoProcessor.from_pretrained(pixtral.files.folder)
    family.bound_pixels(processor, None, 50_000)
    (sizes,) = family.process_images(processor, [Image.new("RGB", (1000, 400))])["image_sizes"].tolist()
    edge = processor.patch_size * processor.spatial_merge_size
    assert sizes[1] - edge < isqrt(50_000) <= sizes[1] < 1000
    with pytest.raises(BadConfigError, match=r"minPixels: 10; .* takes small pictures at their own size"):
        family.bound_pixels(processor, 10, None)
    with pytest.raises(BadConfigError, match=r"maxPixels: 900; .* Set at least 40000"):
        family.bound_pixels(processor, None, 900)
    assert family.fits(20_000, 101) is None
    strip = family.process_images(processor, [Image.new("RGB", (20_000, 101))])
    assert strip["pixel_values"].shape[2] == edge
    assert "1:200" in str(family.fits(20_000, 99))


def test_it_is_told_from_llava_by_its_tower(pixtral: FamilyBench, named_bench: Any) -> None:
    llava: FamilyBench = named_bench("LLaVA 1.5")
    for bench in (pixtral, llava):
        config = json.loads((bench.files.folder / "config.json").read_text())
        assert [family for family in FAMILIES if family.matches(config)] == [bench.family]
    assert find_family({"model_type": "llava"}) is llava.family
