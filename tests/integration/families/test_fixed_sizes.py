"""Families whose pictures have sizes of their own say so, rather than pass over what the manifest asks for."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support.family_bench import FamilyBench
from transformers import AutoProcessor
from visionft_trainer.errors import BadConfigError, BadModelError

FIXED = {
    "LLaVA 1.5": "the middle square of a picture",
    "LLaVA-NeXT": "tiles of one size",
    "LLaVA-OneVision": "tiles of one size",
    "Llama 3.2 Vision": "up to four tiles",
    "Gemma 3": "the whole picture at one square size",
}
NARROWEST = {"LLaVA 1.5": 50, "LLaVA-NeXT": 50, "LLaVA-OneVision": 50}


@pytest.fixture(params=FIXED)
def fixed(request: pytest.FixtureRequest, named_bench: Any) -> FamilyBench:
    bench: FamilyBench = named_bench(request.param)
    return bench


def test_pixel_bounds_are_refused_with_what_the_family_does(fixed: FamilyBench) -> None:
    name = fixed.family.name
    for bounds, field in (((100, None), "minPixels: 100"), ((None, 200), "maxPixels: 200")):
        with pytest.raises(BadConfigError) as error:
            fixed.family.bound_pixels(fixed.processor, *bounds)
        assert str(error.value).startswith(f"spec.dataset.image.{field}; {name} works on {FIXED[name]}")
    fixed.family.bound_pixels(fixed.processor, None, None)


@torch.no_grad()
def test_the_narrowest_picture_that_fits_is_encoded(fixed: FamilyBench) -> None:
    """The model counts the features of a picture itself, and fails where it finds others than there are tokens."""
    from PIL import Image

    family, ratio = fixed.family, NARROWEST.get(fixed.family.name, 1000)
    model = fixed.base_model()
    for size in ((ratio, 1), (2, 2 * ratio)):
        assert family.fits(*size) is None
        images = family.process_images(fixed.processor, [Image.new("RGB", size)])
        ids = torch.tensor([[1, *family.image_token_ids(fixed.processor, images, 0), 2]])
        mask = torch.ones_like(ids)
        text = family.text_inputs(fixed.processor, ids, [images])
        model(input_ids=ids, attention_mask=mask, **text, **family.image_inputs([images]))
    if fixed.family.name in NARROWEST:
        assert f"1:{ratio}" in str(family.fits(2 * ratio + 1, 2))


def test_a_square_that_would_not_fit_into_memory_is_refused(named_bench: Any) -> None:
    family = named_bench("LLaVA-OneVision").family
    assert family.fits(10_000, 400) is None
    assert "has a side above 10000 pixels" in str(family.fits(10_001, 400))


def test_a_processor_that_cannot_count_is_told(named_bench: Any) -> None:
    bench: FamilyBench = named_bench("LLaVA 1.5")
    processor = AutoProcessor.from_pretrained(bench.files.folder)
    processor.patch_size = None
    images = bench.rows.pictures.of(bench.rows.examples[0].row)
    with pytest.raises(BadModelError, match=r"processor_config\.json lacks patch_size"):
        bench.family.image_token_ids(processor, images, 0)
