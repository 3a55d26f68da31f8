"""Gemma 3 without its token types, or with line breaks split elsewhere, would train on something else, in silence."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from PIL import Image
from support.family_bench import FamilyBench


@pytest.fixture(scope="module")
def gemma(named_bench: Any) -> FamilyBench:
    bench: FamilyBench = named_bench("Gemma 3")
    return bench


@torch.no_grad()
def test_tokens_of_a_picture_see_one_another(gemma: FamilyBench) -> None:
    model = gemma.base_model().train()
    batch = gemma.batch()
    soft = batch["input_ids"] == gemma.processor.tokenizer.image_token_id
    assert torch.equal(batch["token_type_ids"] == 1, soft)
    expected = model(**batch).logits
    causal = model(**{name: tensor for name, tensor in batch.items() if name != "token_type_ids"}).logits
    assert float((causal - expected).abs().max()) > 1e-3  # no error: it would go unnoticed


def test_line_breaks_around_a_picture_join_those_of_the_text(gemma: FamilyBench) -> None:
    tokenizer = gemma.processor.tokenizer
    ids = gemma.rows.examples[0].input_ids.tolist()
    start = ids.index(tokenizer.boi_token_id)
    assert tokenizer.convert_ids_to_tokens(ids[start - 1]) == "\n\n\n"


def test_a_picture_is_one_view_whatever_the_processor_would_do(gemma: FamilyBench) -> None:
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(gemma.files.folder)
    processor.image_processor.do_pan_and_scan = True
    images = gemma.family.process_images(processor, [Image.new("RGB", (600, 40)), Image.new("RGB", (30, 30))])
    assert images["pixel_values"].shape == (2, 3, 32, 32)


def test_text_that_stands_for_a_part_of_a_picture_is_refused(gemma: FamilyBench) -> None:
    with pytest.raises(ValueError, match=r"holds <image_soft_token>.*take it out"):
        gemma.family.spaced(gemma.processor, "a <image_soft_token> b")
